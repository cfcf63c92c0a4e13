// Firth's side of the fine-tuning comparison: texts, tagged sentences or questions, one step for each line "step" on standard input.
//
//   node bench/peers/firth-finetune.mjs --model FOLDER --train FILE.tsv --steps 9 --batch 32 --seed 1 --kind texts --max-length 128 --dtype f32 --engine onnx
//
// texts: a table without header (label, text, and for pairs a second text); tags: a word and its tag a line; answers: SQuAD's layout,
// in windows --stride tokens apart. What is said are JSON lines, see stepper.mjs. A step's time is
// what passes between two steps in which the loop is not held up by this program; compiling graphs for new shapes is in it.

import { readFileSync, readSync } from "node:fs";
import { parseArgs } from "node:util";
import { firth } from "./firth-start.mjs";

process.on("uncaughtException", (error) => {
  console.error(error.message);
  process.exit(1);
});

const text = { type: "string" };
const { values } = parseArgs({
  options: {
    ...{ model: text, train: text, steps: text, batch: text, seed: text, dtype: text, engine: text },
    ...{ plugin: text, attention: text },
    "max-length": text,
    kind: { type: "string", default: "texts" },
    stride: { type: "string", default: "128" },
    source: { type: "boolean", default: false },
  },
});
const library = await firth(values.source);
const folder = values.source ? "../../src/cli" : "../../dist/cli";
const extension = values.source ? "ts" : "js";
const { EngineClock, timedBackend } = await import(`${folder}/bench/timed-backend.${extension}`);

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** The next line of standard input, waiting for it in the middle of the loop; undefined at its end. */
function nextLine() {
  const byte = Buffer.alloc(1);
  let line = "";
  for (;;) {
    let count;
    try {
      count = readSync(0, byte);
    } catch (error) {
      if (error.code === "EAGAIN") continue;
      if (error.code !== "EOF") throw error;
      count = 0;
    }
    if (count === 0) return line === "" ? undefined : line;
    if (byte[0] === 10) return line;
    line += byte.toString();
  }
}

const waitForStep = () => {
  const line = nextLine();
  if (line !== undefined && line.trim() !== "step")
    throw new RangeError(`unknown command ${JSON.stringify(line)}; only "step"`);
  return line !== undefined;
};

const tokenizer = await library.loadTokenizer(values.model);
const maxSeqLength = Number(values["max-length"]);

/** What is learnt, by the kind of the data. */
const learning = {
  texts: async (options) => {
    const numColumns = readFileSync(values.train, "utf8").split("\n", 1)[0].split("\t").length;
    const textColumns = numColumns === 2 ? [1] : [1, 2];
    const task = library.textClassification({ tokenizer, maxSeqLength, labelColumn: 0, textColumns });
    return library.finetune(values.model, task, { train: library.tsv(values.train, { header: false }) }, options);
  },
  tags: async (options) => {
    const task = library.tokenClassification({ tokenizer, maxSeqLength });
    return library.finetuneTagging(values.model, task, { train: library.conllColumns(values.train) }, options);
  },
  answers: async (options) => {
    const task = library.questionAnswering({ tokenizer, maxSeqLength, docStride: Number(values.stride) });
    const train = await library.questionFile(values.train);
    return library.finetuneQuestionAnswering(values.model, task, { train }, options);
  },
};
const clock = new EngineClock();
const own = Object.entries({ plugin: values.plugin, attention: values.attention }).filter(
  ([, value]) => value !== undefined,
);
const opened = await library.openEngine({ engine: values.engine, ...Object.fromEntries(own) });
const compiling = new EngineClock();
const timed = timedBackend(opened, clock);
const backend = { ...timed, compile: (graph, options) => compiling.during(() => timed.compile(graph, options)) };
const controller = new AbortController();
const times = [];
const outside = [];
const fill = [];
const losses = [];
let [began, worked, compiled] = [0, 0, 0];
const listener = (event) => {
  if (event.kind === "start") {
    say({ ready: true });
    if (!waitForStep()) controller.abort();
  } else if (event.kind === "step") {
    const stepMs = performance.now() - began;
    times.push(stepMs);
    outside.push(stepMs - (clock.milliseconds - worked));
    fill.push(event.fillRatio);
    losses.push(event.loss);
    say({ stepMs, compileMs: compiling.milliseconds - compiled, loss: event.loss });
    if (!waitForStep()) controller.abort();
  } else return;
  worked = clock.milliseconds;
  compiled = compiling.milliseconds;
  began = performance.now();
};
await learning[values.kind]({
  maxSteps: Number(values.steps),
  batchSize: Number(values.batch),
  learningRate: 2e-5,
  seed: Number(values.seed),
  engine: backend,
  ...(values.dtype === "f32" ? {} : { dtype: values.dtype }),
  listener,
  signal: controller.signal,
});
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const { description, threads } = await backend.probe();
say({
  ...{ engine: backend.name, dtype: values.dtype, description, threads, allStepMs: times, losses },
  fillRatio: sum(fill) / fill.length,
  outsideEngine: sum(outside.slice(1)) / sum(times.slice(1)),
  peakRssBytes: 1024 * process.resourceUsage().maxRSS,
});
await backend.dispose();
