// The Worker that stands between Berth and the code of deployments. See doc.go for the picture.
import { WorkerEntrypoint } from "cloudflare:workers";

const DEPLOYMENT = "berth-deployment";

// What a deployment's code finds as env.ASSETS. Which deployment that is says props, which only this module sets.
export class Assets extends WorkerEntrypoint {
  fetch(request) {
    const headers = new Headers(request.headers);
    headers.set(DEPLOYMENT, this.ctx.props.deployment);
    headers.set("berth-url", request.url);
    return this.env.BERTH.fetch("http://berth/assets", { method: request.method, headers, body: request.body, redirect: "manual" });
  }
}

// Modules come in one piece: a line of JSON, and after it their bytes, one after the other.
function unpack(bytes) {
  const end = bytes.indexOf(10);
  const text = (from, to) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(from, to));
  const { modules: listed, ...code } = JSON.parse(text(0, end));
  const modules = {};
  let at = end + 1;
  for (const { name, kind, size } of listed) {
    const binary = kind === "wasm" || kind === "data";
    modules[name] = { [kind]: binary ? bytes.slice(at, at + size).buffer : text(at, at + size) };
    at += size;
  }
  return { ...code, modules };
}

// The loader keeps what came of a load, a failure too. So one that failed for our reasons must not be asked for by that name again.
const attempts = new Map();

async function load(env, exports, deployment) {
  try {
    const response = await env.BERTH.fetch("http://berth/code", { headers: { [DEPLOYMENT]: deployment } });
    if (response.status !== 200) throw new Error(`its code cannot be had: ${await response.text()}`);
    const code = unpack(new Uint8Array(await response.arrayBuffer()));
    code.env.ASSETS = exports.Assets({ props: { deployment } });
    return code;
  } catch (e) {
    attempts.set(deployment, (attempts.get(deployment) ?? 0) + 1);
    throw e;
  }
}

export default {
  async fetch(request, env, ctx) {
    const headers = new Headers(request.headers);
    const deployment = headers.get(DEPLOYMENT);
    if (deployment === null) return new Response(null, { status: 204 }); // a health probe
    headers.delete(DEPLOYMENT);
    headers.delete("connection"); // between Berth and here
    try {
      const name = `${deployment}.${attempts.get(deployment) ?? 0}`;
      const worker = env.LOADER.get(name, () => load(env, ctx.exports, deployment));
      return await worker.getEntrypoint().fetch(new Request(request, { headers, redirect: "manual", cf: {} }));
    } catch (e) {
      const text = String(e?.stack ?? e).slice(0, 2000);
      return new Response(null, { status: 500, headers: { "berth-fault": encodeURIComponent(text.toWellFormed()) } });
    }
  },
};
