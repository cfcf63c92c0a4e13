/**
 * Times one BERT training step (forward and backward, no optimizer) on the ONNX engine, interleaved with the
 * engine's own matrix product: `npx tsx bench/onnx/step.ts base|mini [steps] [profile prefix]`.
 */
import { createOnnxBackend } from "../../src/backend/onnx/onnx-backend.ts";
import { Random } from "../../src/base/random.ts";
import { sizeOf } from "../../src/ir/shape.ts";
import { decompose } from "../../src/tensor/decompose/decompose.ts";
import { bertStep, scoredRows, sizes } from "./bert-step.ts";

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

const [name = "mini", steps = "5", profileFilePrefix] = process.argv.slice(2);
const size = sizes[name as keyof typeof sizes];
const backend = await createOnnxBackend(profileFilePrefix === undefined ? {} : { profileFilePrefix });
const { graph, parameters, flops } = bertStep(size);
const start = performance.now();
const executable = await backend.compile(decompose(graph, (node) => backend.fuses(node)));
const compileMs = performance.now() - start;
const store = backend.createStore(parameters, ["value", "gradient"]);
const rng = new Random(1);
parameters.forEach((type, i) => {
  const isGain = type.shape.length === 1;
  const data = Float32Array.from({ length: sizeOf(type.shape) }, () => (isGain ? 1 : 0.02) * (rng.next() * 2 - 1));
  store.buffer("value", i).write(data);
});
const rest = graph.inputs.slice(parameters.length).map(({ name: inputName, value }) => {
  const buffer = backend.allocate(value);
  const count = sizeOf(value.shape);
  const limit = { inputIds: size.vocab, tokenTypeIds: 2, labels: size.vocab, rows: size.batch * size.length }[
    inputName
  ];
  const draw = () => (inputName === "attentionMask" ? 1 : rng.nextInt(limit ?? 2 ** 31));
  const data = Array.from({ length: count }, draw);
  buffer.write(value.dtype === "u32" ? Uint32Array.from(data) : Int32Array.from(data));
  return buffer;
});
const loss = backend.allocate(graph.outputs[0]!.value);
const inputs = [...parameters.map((_, i) => store.buffer("value", i)), ...rest];
const outputs = [loss, ...parameters.map((_, i) => store.buffer("gradient", i))];
const times: number[] = [];
const rates: number[] = [];
for (let step = -1; step < Number(steps); step++) {
  const { gemmGflops } = await backend.probe();
  const begin = performance.now();
  await executable.run(inputs, outputs);
  if (step < 0) continue;
  times.push(performance.now() - begin);
  rates.push(gemmGflops);
}
const stepMs = median(times);
const gflops = flops / stepMs / 1e6;
console.log(
  JSON.stringify({
    size: name,
    compileMs: Math.round(compileMs),
    loss: (await loss.read())[0],
    stepMs: Math.round(stepMs),
    fastestStepMs: Math.round(Math.min(...times)),
    tokensPerSecond: Math.round((size.batch * size.length * 1000) / stepMs),
    matmulGflops: Math.round(gflops),
    engineGemmGflops: Math.round(median(rates)),
    fractionOfGemm: Number((gflops / median(rates)).toFixed(3)),
    scored: scoredRows(size),
    peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
);
await backend.dispose();
