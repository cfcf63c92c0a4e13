// Makes the folder that goes to a GPU machine beside the repository: Node, the built package with what it imports, and texts to
// fine-tune on. `npm run build` first; on Linux, x86-64.
//
//   node bench/gpu/pack.mjs [--data FOLDER [--vocab FILE]] [--out .gpu] [--record-curve]
//
// --data names the folder of the data sets (mrpc/, …), --vocab a WordPiece vocabulary (FOLDER/vocab.txt); without
// data nothing is fine-tuned there. --record-curve runs curve.mjs on the onnx engine anew and writes curve-onnx.json, which is part
// of the repository; otherwise its first steps are run and compared. The folder is ignored by git and is taken along by its name;
// everything that goes must stay below 64 MiB.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { tasks } from "../peers/finetuning-cases.mjs";
import { taskFile } from "../peers/task-data.mjs";
import { root } from "../section.mjs";
import { curve, finetuning } from "./works.mjs";

const MOST_BYTES = 64 * 2 ** 20;
/** Of the recorded curve: steps that are run again, and how far a loss may be from it. */
const CHECKED_STEPS = 3;
const CURVE_TOLERANCE = 1e-4;
const here = dirname(fileURLToPath(import.meta.url));

const text = { type: "string" };
const { values } = parseArgs({
  options: { data: text, out: text, vocab: text, "record-curve": { type: "boolean", default: false } },
});
const out = join(root, values.out ?? ".gpu");
const tell = (message) => console.error(`pack: ${message}`);

if (process.platform !== "linux" || process.arch !== "x64") {
  tell(
    "the GPU machine is Linux on x86-64, and the programs packed here are this machine's own; pack on such a machine.",
  );
  process.exit(1);
}
if (!existsSync(join(root, "dist", "index.js"))) {
  tell("dist is missing. Run npm run build first.");
  process.exit(1);
}

// What is given is read first: the rest takes minutes.
const vocab = values.vocab ?? join(values.data ?? "", "vocab.txt");
if (values.data === undefined) tell("no --data: nothing to fine-tune on is taken along.");
else if (!existsSync(vocab)) {
  tell(`there is no vocabulary ${vocab}; name one with --vocab.`);
  process.exit(1);
}
const { task, batch, steps } = finetuning;
const examples =
  values.data === undefined ? undefined : await taskFile(values.data, tasks[task], (steps + 1) * batch, 1);

/** A package with those it depends on, by name, from node_modules. */
function closure(names, found = new Map()) {
  for (const name of names) {
    const folder = join(root, "node_modules", name);
    if (found.has(name) || !existsSync(folder)) continue;
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
      readFileSync(join(folder, "package.json"), "utf8"),
    );
    found.set(name, folder);
    closure([...Object.keys(dependencies), ...Object.keys(optionalDependencies)], found);
  }
  return found;
}

/** What of a package is not run there: other systems' programs, types, sources, pages. */
function isCarried(path) {
  const name = path.split("/").at(-1);
  if (/\.(d\.[cm]?ts|map|md|ts)$/.test(name) && !name.endsWith("package.json")) return false;
  if (name.endsWith(".node")) return /linux[-_]x64/.test(path) && !/musl/.test(path);
  return !/\/(test|tests|docs?|vendor|src\/.*\.(c|cc|h|hh))$/.test(path) || /\/(dist|build)\//.test(path);
}

function copyPackages(staging) {
  // ONNX Runtime is large, and its engine does not run there.
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const names = Object.keys(dependencies).filter((name) => name !== "onnxruntime-node");
  for (const [name, folder] of closure(names)) {
    cpSync(folder, join(staging, "node_modules", name), {
      recursive: true,
      dereference: true,
      filter: (source) => statSync(source).isDirectory() || isCarried(relative(root, source)),
    });
  }
}

/** An archive that Python's tarfile reads. */
function archive(folder, entries, file) {
  execFileSync("tar", ["--sort=name", "-C", folder, "-cf", `${file}.tar`, ...entries]);
  execFileSync("xz", ["-9", "-T2", "-f", `${file}.tar`]);
}

const bytesUnder = (folder) =>
  readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    return sum + (entry.isDirectory() ? bytesUnder(path) : statSync(path).size);
  }, 0);

const staging = join(out, "staging");
rmSync(staging, { recursive: true, force: true });
mkdirSync(join(staging, "bin"), { recursive: true });

// Compressing Node takes minutes: it is done once for each Node.
const packedNode = join(out, "node.json");
const nodeFacts = JSON.stringify({ version: process.version, bytes: statSync(process.execPath).size });
if (!existsSync(packedNode) || readFileSync(packedNode, "utf8") !== nodeFacts) {
  tell(`compressing Node ${process.version} …`);
  cpSync(process.execPath, join(staging, "bin", "node"));
  execFileSync("strip", ["--strip-unneeded", join(staging, "bin", "node")]);
  execFileSync(join(staging, "bin", "node"), ["--version"]);
  archive(staging, ["bin"], join(out, "node"));
  writeFileSync(packedNode, nodeFacts);
}

cpSync(join(root, "dist"), join(staging, "dist"), {
  recursive: true,
  filter: (source) => statSync(source).isDirectory() || !/\.(d\.ts|map)$/.test(source),
});
copyPackages(staging);
archive(staging, ["dist", "node_modules"], join(out, "package"));

/** Losses of the onnx engine, which does not run there. */
function onnxCurve(steps) {
  const program = [join(here, "curve.mjs"), "--engine", "onnx", "--steps", String(steps)];
  const lines = execFileSync(process.execPath, program, { encoding: "utf8", maxBuffer: 2 ** 24 })
    .trim()
    .split("\n");
  const made = lines.map((line) => JSON.parse(line)).filter(({ step }) => step !== undefined);
  return { losses: made.map(({ loss }) => loss), norms: made.map(({ norm }) => norm) };
}

const recorded = join(here, "curve-onnx.json");
if (values["record-curve"]) {
  tell(`the onnx engine's curve, ${curve.steps} steps …`);
  const rounded = (numbers) => numbers.map((x) => Number(x.toPrecision(8)));
  const { losses, norms } = onnxCurve(curve.steps);
  writeFileSync(recorded, `${JSON.stringify({ losses: rounded(losses), norms: rounded(norms) })}\n`);
} else {
  const known = JSON.parse(readFileSync(recorded, "utf8"));
  const { losses } = onnxCurve(CHECKED_STEPS);
  const greatest = Math.max(...losses.map((loss, i) => Math.abs(loss - known.losses[i])));
  tell(
    `the onnx engine's first ${losses.length} losses are within ${greatest.toExponential(1)} of the recorded curve.`,
  );
  if (!(greatest <= CURVE_TOLERANCE)) {
    tell("the recorded curve is another run's. Record it anew: --record-curve.");
    process.exit(1);
  }
}

if (values.data !== undefined) {
  writeFileSync(join(out, `${finetuning.task}${examples.ending}`), examples.text);
  cpSync(vocab, join(out, "vocab.txt"));
}
rmSync(staging, { recursive: true });

const tracked = execFileSync("git", ["-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
  encoding: "utf8",
  maxBuffer: 2 ** 26,
});
const repository = tracked
  .split("\0")
  .filter((name) => name !== "" && existsSync(join(root, name)))
  .reduce((sum, name) => sum + statSync(join(root, name)).size, 0);
const carried = bytesUnder(out);
const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
for (const entry of readdirSync(out)) tell(`${entry}: ${megabytes(statSync(join(out, entry)).size)}`);
tell(
  `${megabytes(carried)} in ${relative(root, out)}, ${megabytes(repository)} of the repository, of ${megabytes(MOST_BYTES)}`,
);
if (carried + repository > MOST_BYTES) {
  tell("that is too much to travel.");
  process.exit(1);
}
