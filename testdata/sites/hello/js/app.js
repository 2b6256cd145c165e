import { greeting } from './greeting.js';
import { countTo } from './counter.js';

document.getElementById('host').textContent = location.host;
document.getElementById('module').textContent = greeting(new Date().getHours());
document.getElementById('wasm').textContent = String(await countTo(20, 22));
document.documentElement.dataset.ready = 'yes';
