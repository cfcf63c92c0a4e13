// Opens an engine, times its products, and compares its kernels for attention with attention written out.
//
//   node bench/gpu/check.mjs --engine cuda
//
// A line of JSON for each thing found, so that a crash leaves those before it.

import { performance } from "node:perf_hooks";
import { backendOptions, dist, openBackend } from "./backend.mjs";
import { say } from "./side.mjs";

const { attention } = await dist("tensor/fused");
const { trace } = await dist("tensor/trace");
const { gradients } = await dist("autodiff/grad");
const { convert, mul } = await dist("tensor/elementwise");
const { sum } = await dist("tensor/reduction");
const { tensorType } = await dist("ir/shape");
const { Random } = await dist("base/random");
const { bfloat16FromFloat32, float32FromBfloat16 } = await dist("base/half-float");

const RUNS = 10;

/** Attention with all its gradients; the bias hides the last quarter of each row's places, as padding does. */
function attentionGraph([batch, length, heads, size], hasBias) {
  const places = tensorType("bf16", [batch, length, heads, size]);
  const bias = tensorType("f32", [batch, 1, length, length]);
  return trace("attention", { q: places, k: places, v: places, bias }, (given) => {
    const { q, k, v } = given;
    const y = attention(q, k, v, hasBias ? { bias: given.bias } : {});
    const [dq, dk, dv] = gradients(sum(convert(mul(y, y), "f32")), [q, k, v]);
    return { y, dq, dk, dv };
  });
}

function drawn({ shape }, random) {
  const count = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: count }, () => random.nextNormal());
}

function biasOf({ shape: [batch, , length] }) {
  const row = Float32Array.from({ length }, (_, key) => (key < 0.75 * length ? 0 : -10_000));
  const data = new Float32Array(batch * length * length);
  for (let at = 0; at < data.length; at += length) data.set(row, at);
  return data;
}

/** Outputs of a program and milliseconds of a run. */
async function measure(backend, graph, data) {
  const executable = await backend.compile(graph);
  const inputs = graph.inputs.map(({ value }) => backend.allocate(value));
  const outputs = graph.outputs.map(({ value }) => backend.allocate(value));
  for (const [i, values] of data.entries()) {
    await inputs[i].write(inputs[i].dtype === "bf16" ? bfloat16FromFloat32(values) : values);
  }
  const run = async (count) => {
    for (let i = 0; i < count; i++) await executable.run(inputs, outputs);
    return outputs[0].read();
  };
  await run(2);
  const began = performance.now();
  await run(RUNS);
  const ms = (performance.now() - began) / RUNS;
  const results = [];
  for (const output of outputs) results.push(float32FromBfloat16(await output.read()));
  for (const buffer of [...inputs, ...outputs]) buffer.dispose();
  await executable.dispose();
  return { ms, results };
}

/** ‖a − b‖ / ‖b‖. */
function distance(a, b) {
  let [difference, length] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    length += b[i] ** 2;
  }
  return Math.sqrt(difference / length);
}

const options = backendOptions();
const { backend } = await openBackend(options);
const facts = backend.executor?.facts;
const [f32, bf16] = [await backend.probe("f32"), await backend.probe(options.dtype ?? "bf16").catch(() => undefined)];
say({
  ...{ engine: backend.name, description: f32.description, deviceBytes: facts?.deviceBytes },
  gflops: { f32: f32.gemmGflops, bf16: bf16?.gemmGflops },
});
if ((facts?.customCalls.size ?? 0) === 0 || options.attention === "written-out") say({ attention: "written out" });
else {
  const { XlaBackend } = await dist("backend/xla/xla-backend");
  const { lowerToStableHlo } = await dist("backend/xla/lower/lower-to-stablehlo");
  // A second engine over the same devices, which is disposed of with the first.
  const plain = new XlaBackend(backend.executor, { lower: lowerToStableHlo, attention: "written-out" });
  const found = [];
  for (const shape of [
    [4, 128, 4, 64],
    [16, 512, 12, 64],
  ]) {
    for (const hasBias of [false, true]) {
      const graph = attentionGraph(shape, hasBias);
      const random = new Random(7, "attention");
      const data = graph.inputs.map(({ name, value }) => (name === "bias" ? biasOf(value) : drawn(value, random)));
      const fused = await measure(backend, graph, data);
      const exact = await measure(plain, graph, data);
      const distances = graph.outputs.map(({ name }, i) => [name, distance(fused.results[i], exact.results[i])]);
      found.push({ shape, hasBias, fusedMs: fused.ms, writtenMs: exact.ms, distances: Object.fromEntries(distances) });
      say({ attention: found });
    }
  }
}
await backend.dispose();
