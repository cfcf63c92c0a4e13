// The page of the GPU's figures: node bench/gpu/section.mjs FILE.jsonl puts records into bench/results/gpu.jsonl and writes
// bench/results/gpu.md.

import { pathToFileURL } from "node:url";
import { fixed, median, range, readRecords, readRecordsAt, writeRecords, writeResult } from "../section.mjs";
import { comparedWith, curve, hostLimit, sides as knownSides, peakTflops } from "./works.mjs";

const percent = (share, digits = 1) => (share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`);
const gibibytes = (bytes) => (bytes ? (bytes / 2 ** 30).toFixed(1) : "–");
const verdict = (value, target) =>
  value >= target ? `${target}: reached` : `${target}: **below by ${(100 * (1 - value / target)).toFixed(0)} %**`;

/** What a side takes on the device: of a compiled program its arguments, results and work, of PyTorch the peak. */
function deviceBytes({ memory, peakBytes }) {
  if (memory === undefined || memory === null) return peakBytes;
  const { argumentBytes, outputBytes, temporaryBytes, codeBytes, aliasBytes } = memory;
  return argumentBytes + outputBytes + temporaryBytes + codeBytes - aliasBytes;
}

/** Figures of a side that ran; work and tokens are Firth's, which are those of all sides. */
function figuresOf(side, ours) {
  const stepMs = median(side.stepMs);
  const { tokens, flops } = ours?.report ?? side.report;
  return {
    stepMs,
    tokensPerSecond: tokens === undefined ? undefined : (1000 * tokens) / stepMs,
    utilisation: flops === undefined ? undefined : flops / (stepMs * 1e-3) / (peakTflops * 1e12),
  };
}

/** Ratios of the peer's time to ours, round by round. */
const ratiosOf = (ours, peer) => ours.stepMs.map((ms, round) => peer.stepMs[round] / ms);

function trainingText({ work, rounds, block, sides, date, machine }) {
  const ran = sides.filter(({ absent }) => absent === undefined);
  const ours = ran.find(({ id }) => id.startsWith("firth"));
  const rows = sides.map((side) => {
    if (side.absent !== undefined) return `| ${side.label} | – | – | – | – | – | – |`;
    const { stepMs, tokensPerSecond, utilisation } = figuresOf(side, ours);
    const { report } = side;
    const compiling = report.compileMs ?? report.firstStepMs;
    const seconds = compiling === undefined ? undefined : compiling / 1000;
    return `| ${side.label} | ${fixed(stepMs, 1)} (${range(side.stepMs, 1)}) | ${fixed(tokensPerSecond)} | ${percent(utilisation)} | ${percent(report.hostShare)} | ${fixed(seconds, 1)} | ${gibibytes(deviceBytes(report))} |`;
  });
  const lines = [
    `### ${work.model}, ${work.batch} × ${work.seq}${work.attentionDropout === 0 ? ", no dropout of attention" : ""}`,
    "",
    `${rounds} rounds of ${block} steps, in turns; ${date}, ${machine}.`,
    "",
    "| side | ms a step (range) | tokens/s | of the peak | host | first step or compiling, s | device GiB |",
    "|---|---|---|---|---|---|---|",
    ...rows,
  ];
  if (ours !== undefined) {
    for (const peer of ran.filter(({ id }) => id !== ours.id)) {
      const ratios = ratiosOf(ours, peer);
      const reached = peer.id === comparedWith ? `; to reach ${verdict(median(ratios), work.target)}` : "";
      lines.push("", `**${fixed(median(ratios), 2)}** (${range(ratios, 2)}) times ${peer.label}${reached}.`);
    }
    if (work.anchor !== undefined) {
      const { stepMs } = figuresOf(ours, ours);
      lines.push(
        "",
        `${fixed((1000 * work.batch) / stepMs)} sequences/s; ${work.anchor.of}: ${work.anchor.sequencesPerSecond}.`,
      );
    }
    const { hostShare, attention } = ours.report;
    if (attention !== undefined) {
      lines.push("", `Attention of Firth's step: ${attention.fused} by fused kernels, ${attention.exact} written out.`);
    }
    if (hostShare > hostLimit)
      lines.push("", `The host works in ${percent(hostShare)} of a step; at most ${percent(hostLimit)} is allowed.`);
  }
  const missing = sides.filter(({ absent }) => absent !== undefined);
  for (const { label, absent } of missing) lines.push("", `- *${label}* is missing: ${absent}`);
  return lines.join("\n");
}

/** Whether steps that were made twice gave the same numbers. */
function againText(again) {
  if (again === undefined || again.steps === 0) return "not made again";
  const { steps, firstOther } = again;
  return firstOther === undefined
    ? `${steps} steps made again: the same bits`
    : `made again: other bits from step ${firstOther} on`;
}

function curveText({ dtype, steps, greatest, tolerance, losses, expected, again, date, failure }) {
  if (steps === 0) return `| ${dtype} | 0 | – | ${failure} | – | – | – | ${date} |`;
  const within = greatest <= tolerance ? "within" : "**outside**";
  const last = (values) => fixed(median(values.slice(-10)), 4);
  const stopped = failure === undefined ? "" : ` (${failure})`;
  return `| ${dtype} | ${steps}${stopped} | ${greatest.toExponential(1)} | ${within} ${tolerance} | ${last(losses)} | ${last(expected)} | ${againText(again)} | ${date} |`;
}

function finetuningText({ task, batch, dtype, target, sides, date }) {
  const rows = sides.map((side) =>
    side.absent === undefined
      ? `| ${side.label} | ${fixed((1000 * batch) / side.usual)} | ${fixed(side.usual, 1)} | ${side.stepMs.length} | ${side.compiled} (${fixed(side.compileSeconds, 1)} s) |`
      : `| ${side.label} | – | – | – | ${side.absent} |`,
  );
  const [ours, peer] = sides;
  const ratio = ours?.usual && peer?.usual ? peer.usual / ours.usual : undefined;
  return [
    `### Fine-tuning, ${task}, ${batch} pairs a step, ${dtype}`,
    "",
    `One side after the other, ${date}. Compiling, which comes with each new shape of a batch, is told by itself.`,
    "",
    "| side | examples/s | ms a step | steps | steps that compiled |",
    "|---|---|---|---|---|",
    ...rows,
    ...(ratio === undefined
      ? []
      : ["", `**${fixed(ratio, 2)}** times the Trainer; to reach ${verdict(ratio, target)}.`]),
  ].join("\n");
}

const greatestOf = (distances) => Math.max(...Object.values(distances)).toExponential(1);

/** What was found of the engine, a line each. */
function engineLines({ engine, description, gflops, attention, failure, system }) {
  const versions = Object.entries(system).flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]));
  const lines = [versions.join(", ")];
  if (engine !== undefined) {
    lines.push(`${engine}: ${description}; GFLOPS f32 ${fixed(gflops.f32)}, bf16 ${fixed(gflops.bf16)}`);
  }
  if (typeof attention === "string") lines.push(`attention: ${attention}`);
  else {
    for (const { shape, hasBias, fusedMs, writtenMs, distances } of attention ?? []) {
      const name = `attention and gradient, ${shape.join("×")}${hasBias ? ", hidden places" : ""}`;
      lines.push(
        `${name}: fused ${fixed(fusedMs, 2)} ms, written out ${fixed(writtenMs, 2)} ms, greatest relative distance ${greatestOf(distances)}`,
      );
    }
  }
  if (failure !== undefined) lines.push(`**failed**: ${failure.replaceAll("\n", " ").slice(0, 600)}`);
  return lines;
}

/** What is printed when a work has been measured. */
export function summaryLines(record) {
  if (record.kind === "engine") return engineLines(record).map((line) => `engine | ${line}`);
  if (record.kind === "curve") {
    const { dtype, steps, greatest, greatestNorm, tolerance, failure } = record;
    if (steps === 0) return [`curve ${dtype} | missing: ${failure}`];
    return [
      `curve ${dtype} | ${steps} steps | greatest difference of a loss ${greatest.toExponential(2)} of ${tolerance}, of a norm ${greatestNorm.toExponential(2)} | ${againText(record.again)}`,
    ];
  }
  const ours = record.sides.find(({ id }) => id.startsWith("firth"));
  return record.sides.map((side) => {
    const name = record.work?.name ?? record.task;
    if (side.absent !== undefined) return `${name} | ${side.label} | missing: ${side.absent}`;
    if (record.kind === "finetuning") {
      return `${name} | ${side.label} | ${fixed(side.usual, 1)} ms, median of ${side.stepMs.length} | ${side.compiled} compiled, ${fixed(side.compileSeconds, 1)} s`;
    }
    const { stepMs, tokensPerSecond, utilisation } = figuresOf(side, ours);
    const ratio = ours?.stepMs === undefined || side === ours ? "" : ` | ${fixed(median(ratiosOf(ours, side)), 2)}×`;
    return `${name} | ${side.label} | ${fixed(stepMs, 2)} ms | ${fixed(tokensPerSecond)} tokens/s | ${percent(utilisation)} of the peak | host ${percent(side.report.hostShare)}${ratio}`;
  });
}

const keyOf = (record) => `${record.kind} ${record.work?.name ?? record.dtype ?? ""} ${record.task ?? ""}`;

function render(records) {
  const of = (kind) => records.filter((record) => record.kind === kind);
  const reports = of("training").flatMap(({ sides }) => sides.flatMap(({ report }) => (report ? [report] : [])));
  const distinct = (values) => [...new Set(values.filter(Boolean))].join("; ");
  return `# On a GPU

Written by \`node bench/gpu/section.mjs\` from what \`bench/gpu/run.sh\` measured; do not edit.

- Firth: ${distinct(reports.map(({ description }) => description)) || "not run"}; ${distinct(reports.map(({ torch, transformers, device }) => torch && `PyTorch ${torch}, transformers ${transformers} on ${device}`)) || "no PyTorch"}; ${distinct(reports.map(({ jax }) => jax && `JAX ${jax}`)) || "no JAX"}.
- A step is forward with dropout 0.1, the family's loss on random tokens in full rows, backward, clipping to norm 1 and AdamW; products in
  bf16, weights in f32. Sides take turns on one device. PyTorch computes logits at scored positions only, as Firth does, with its fused
  attention and AdamW; within a block nothing is asked of the device.
- *Of the peak*: the operations that the tokens need over ${peakTflops} TFLOP/s. *Host*: the share of the time in which Firth's own thread works.
- *The same graph*: JAX compiles and runs the text that Firth made.

${of("engine")
  .flatMap(engineLines)
  .map((line) => `- ${line}`)
  .join("\n")}

${of("training").map(trainingText).join("\n\n")}

### Losses

A run of ${curve.steps} steps from the same weights, batches and dropout masks as the onnx engine's in f32.

| dtype | steps | greatest difference of a loss | allowed | median of the last ten | the onnx engine's | a second time | date |
|---|---|---|---|---|---|---|---|
${of("curve").map(curveText).join("\n")}

${of("finetuning").map(finetuningText).join("\n\n")}
`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [file] = process.argv.slice(2);
  if (file === undefined) {
    console.error("bench/gpu: name the records: node bench/gpu/section.mjs FILE.jsonl");
    process.exit(1);
  }
  let known = readRecords("gpu.jsonl");
  for (const fresh of readRecordsAt(file)) {
    known = [...known.filter((record) => keyOf(record) !== keyOf(fresh)), fresh];
  }
  writeRecords("gpu.jsonl", known);
  writeResult("gpu.md", render(known));
  console.log(`bench/results/gpu.md: ${known.length} records of ${knownSides.length} sides`);
}
