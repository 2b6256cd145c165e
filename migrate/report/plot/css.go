package plot

// Colours is how many there are. They are told apart with any kind of colour vision in their order, and stand out from both
// backgrounds; series of one colour are told apart by dashes.
const Colours = 6

func colour(i int) int { return ((i % Colours) + Colours) % Colours }

// CSS is the style sheet of figures. It defines its colours for light and dark pages.
const CSS = `
:root{color-scheme:light dark;--paper:#fbfbf9;--card:#fff;--ink:#1b1f24;--soft:#59616b;--rule:#e3e5e8;--edge:#b4b9c0;
--c0:#1f5fbf;--c1:#b5540b;--c2:#0b7a5b;--c3:#b3204d;--c4:#6b3fb5;--c5:#50606f}
@media (prefers-color-scheme:dark){:root{--paper:#101418;--card:#181d23;--ink:#e8eaed;--soft:#a3acb7;--rule:#2b323a;--edge:#59636f;
--c0:#78acff;--c1:#f0a05a;--c2:#4fd0a5;--c3:#ff8aa5;--c4:#bda1ff;--c5:#a9b7c6}}
.plot{container-type:inline-size;margin:0;padding:16px;background:var(--card);border:1px solid var(--rule);border-radius:10px;min-width:0}
.plot h3{margin:0;font-size:15px;line-height:20px}
.plot p{margin:4px 0 0;color:var(--soft);font-size:13px;line-height:18px}
.plot .empty{padding:32px 0;text-align:center}
.plot svg{display:block}
.plot svg.wide,.plot svg.narrow{width:100%;height:auto;margin-top:12px}
.plot svg.narrow{display:none}
@container (max-width:480px){.plot svg.wide{display:none}.plot svg.narrow{display:block}}
@media print{.plot{break-inside:avoid}}
.plot .legend{display:flex;flex-wrap:wrap;gap:4px 16px;list-style:none;margin:10px 0 0;padding:0;font-size:12px;line-height:16px}
.plot .legend li{display:flex;align-items:center;gap:6px;min-width:0}
.plot .legend svg{flex:none}
.plot text{font:12px system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;fill:var(--soft)}
.plot text.name,.plot text.value{fill:var(--ink)}
.plot text.value,.plot text.tick{font-variant-numeric:tabular-nums}
.plot .grid{stroke:var(--rule);fill:none}
.plot .base{stroke:var(--edge);fill:none}
.plot .rail{fill:var(--rule)}
.plot .mark{stroke:var(--edge);stroke-dasharray:3 3;fill:none}
.plot .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.plot .dashed{stroke-dasharray:5 4}
.plot .area.open{opacity:.6}
.plot .line.c0{stroke:var(--c0)}.plot .line.c1{stroke:var(--c1)}.plot .line.c2{stroke:var(--c2)}
.plot .line.c3{stroke:var(--c3)}.plot .line.c4{stroke:var(--c4)}.plot .line.c5{stroke:var(--c5)}
.plot .area.c0,.plot .dot.c0{fill:var(--c0)}.plot .area.c1,.plot .dot.c1{fill:var(--c1)}.plot .area.c2,.plot .dot.c2{fill:var(--c2)}
.plot .area.c3,.plot .dot.c3{fill:var(--c3)}.plot .area.c4,.plot .dot.c4{fill:var(--c4)}.plot .area.c5,.plot .dot.c5{fill:var(--c5)}
.plot details{margin-top:10px;font-size:13px}
.plot summary{color:var(--soft);cursor:pointer;width:max-content}
.plot .scroll{overflow:auto;max-height:320px;margin-top:8px}
.plot table{border-collapse:collapse;font-size:12px;font-variant-numeric:tabular-nums}
.plot th,.plot td{padding:3px 14px 3px 0;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap;font-weight:400}
.plot thead th{color:var(--soft)}
.plot th:first-child{text-align:left}
`
