// Streaming compilation works only if the server says application/wasm: a good test of content types.
export async function countTo(a, b) {
  const { instance } = await WebAssembly.instantiateStreaming(fetch('/wasm/add.wasm'));
  return instance.exports.add(a, b);
}
