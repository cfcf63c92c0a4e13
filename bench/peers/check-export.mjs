// Whether transformers.js gives with exported models what PyTorch and transformers give with the models themselves.
//
//   npm run build
//   FIRTH_PEER_NODE=FOLDER FIRTH_PEER_PYTHON=PYTHON node bench/peers/check-export.mjs [--work FOLDER] [MODEL …]
//
// Without models it makes small ones of every family with random weights (export_reference.py). Each is exported in f32 and
// in int8 by `firth export` and loaded by transformers.js from local files alone. Tokens must be equal, numbers within 1e-4
// in f32; int8 is only told. FIRTH_PEER_NODE: see transformers-js.mjs.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { failPlainly } from "./answer-steps.mjs";
import { importPeer } from "./node-peer.mjs";
import { programOf, pythonOf } from "./programs.mjs";

const BOUND = 1e-4;
// As in export_reference.py.
const [NEW_TOKENS, NO_REPEAT] = [16, 2];
const reference = fileURLToPath(new URL("export_reference.py", import.meta.url));

failPlainly();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { work: { type: "string" }, program: { type: "string" }, python: { type: "string" } },
});
const python = pythonOf(values.python, ["torch", "transformers", "tokenizers"]);
const program = programOf(values.program);
const { module: peer, version } = await importPeer("@huggingface/transformers");
const work = values.work ?? mkdtempSync(join(tmpdir(), "firth-export-"));
mkdirSync(work, { recursive: true });

function run(command, args, input) {
  const done = spawnSync(command, args, { encoding: "utf8", input, maxBuffer: 2 ** 28 });
  if (done.status !== 0)
    throw new RangeError(`${command} ${args.join(" ")} failed: ${done.stderr.trim().slice(-2000)}`);
  return done.stdout;
}

function exported(model, dtype) {
  const out = join(work, "exported", `${basename(model)}-${dtype}`);
  rmSync(out, { recursive: true, force: true });
  const { command, args } = program(["export", model, "--out", out, "--dtype", dtype, "--json"]);
  return JSON.parse(run(command, args));
}

peer.env.allowRemoteModels = false;
peer.env.localModelPath = join(work, "exported");

const classes = {
  "feature-extraction": peer.AutoModel,
  "fill-mask": peer.AutoModelForMaskedLM,
  "text-classification": peer.AutoModelForSequenceClassification,
  "text-generation": peer.AutoModelForCausalLM,
  "text2text-generation": peer.AutoModelForSeq2SeqLM,
};

function textsFor(task, mask) {
  if (task === "fill-mask")
    return [`The quick ${mask} fox jumps.`, `Rivers flow to the ${mask}, and the sea gives its water back.`];
  return ["The quick brown fox", "She opened the window because the room was warm, then"];
}

/** Numbers or tokens that transformers.js gives for texts. */
async function answer(folder, task, texts) {
  const name = basename(folder);
  const tokenizer = await peer.AutoTokenizer.from_pretrained(name);
  const model = await classes[task].from_pretrained(name, { device: "cpu" });
  if (task === "text-generation" || task === "text2text-generation") {
    if (task === "text-generation") tokenizer.padding_side = "left";
    const inputs = tokenizer(texts, { padding: true });
    const tokens = await model.generate({
      ...inputs,
      max_new_tokens: NEW_TOKENS,
      do_sample: false,
      no_repeat_ngram_size: NO_REPEAT,
    });
    return { tokens: tokens.tolist().map((row) => row.map(Number)) };
  }
  const inputs = tokenizer(texts, { padding: true });
  const { logits, last_hidden_state: hidden } = await model(inputs);
  const all = (logits ?? hidden).tolist();
  if (task === "text-classification") return { numbers: all };
  if (task === "feature-extraction") return { numbers: all.map((row) => row[0]) };
  const ids = inputs.input_ids.tolist();
  return { numbers: all.map((row, i) => row[ids[i].findIndex((id) => Number(id) === tokenizer.mask_token_id)]) };
}

const largest = (a, b) => Math.max(...a.flat().map((x, i) => Math.abs(x - b.flat()[i])));
const agreement = (a, b) => {
  const [x, y] = [a.flat(), b.flat()];
  return x.filter((token, i) => token === y[i]).length / Math.max(x.length, y.length);
};

let models = positionals.map((folder) => resolve(folder));
if (models.length === 0) {
  const made = join(work, "models");
  run(python, [reference, "make", made]);
  models = readdirSync(made).map((name) => join(made, name));
}
let hasFailed = false;
console.log(`transformers.js ${version}, Node ${process.versions.node}`);
for (const model of models) {
  let wanted;
  for (const dtype of ["f32", "int8"]) {
    const { folder, task, family } = exported(model, dtype);
    const tokenizer = JSON.parse(readFileSync(join(folder, "tokenizer_config.json"), "utf8"));
    const token = tokenizer.mask_token;
    const texts = textsFor(task, typeof token === "string" ? token : token?.content);
    wanted ??= JSON.parse(run(python, [reference, "answer", model, task], JSON.stringify(texts)));
    const given = await answer(folder, task, texts);
    const figure = given.tokens
      ? `${(100 * agreement(given.tokens, wanted.tokens)).toFixed(1)} % of the tokens equal (${new Set(wanted.tokens.flat()).size} different ones)`
      : `largest difference ${largest(given.numbers, wanted.numbers).toExponential(1)}`;
    const isGood = given.tokens
      ? JSON.stringify(given.tokens) === JSON.stringify(wanted.tokens)
      : largest(given.numbers, wanted.numbers) <= BOUND;
    const verdict = dtype === "int8" ? "" : isGood ? ", good" : ", NOT EQUAL";
    hasFailed ||= dtype === "f32" && !isGood;
    console.log(`${basename(model)} (${family}, ${task}, ${dtype}): ${figure}${verdict}`);
  }
}
if (values.work === undefined) rmSync(work, { recursive: true, force: true });
process.exit(hasFailed ? 1 : 0);
