// Checks that folders of src/ import only what they may (the map in CONTRIBUTING.md), without cycles.
import { cruise } from "dependency-cruiser";
import extractTypeScriptConfig from "dependency-cruiser/config-utl/extract-ts-config";

/** For each folder the folders it may import, beside itself, `base` and `ir`. */
const allowed = {
  base: [],
  ir: [],
  tensor: [],
  autodiff: ["tensor"],
  backend: [],
  nn: ["tensor"],
  formats: [],
  hub: ["formats"],
  models: ["nn", "tensor", "formats"],
  tokenizers: ["formats"],
  data: ["tokenizers"],
  objectives: ["nn", "tensor", "data", "models", "tokenizers"],
  optim: ["tensor", "backend"],
  train: ["autodiff", "optim", "data", "formats", "tensor", "nn", "objectives", "backend"],
  evaluation: ["data"],
  tasks: ["nn", "models", "tensor", "data", "objectives", "evaluation", "tokenizers", "train", "backend"],
  generation: ["nn", "models", "tensor", "formats", "data", "objectives", "tokenizers", "train", "backend"],
  export: ["models", "nn", "tensor", "formats", "train", "backend"],
  transfer: ["models", "nn", "tensor", "formats", "data", "objectives", "optim", "train", "tasks", "tokenizers"],
  serving: ["tasks", "formats", "backend"],
  report: ["evaluation"],
  retrieval: ["data", "formats"],
  selection: ["data", "evaluation", "formats", "report", "train"],
  api: [
    ...["backend", "data", "evaluation", "formats", "hub", "models", "nn", "objectives", "optim", "report", "tensor"],
    ...["runtime", "retrieval", "selection", "tasks", "tokenizers", "train", "transfer", "generation", "export"],
  ],
};

/** What only types may be taken from: engines are opened by runtime.ts alone, models and objectives are data. How sequences are framed is plain data. */
const typesOnly = [
  { from: "objectives", to: "models", except: "^src/models/framing\\.ts$" },
  { from: "optim", to: "backend" },
  { from: "train", to: "backend" },
  { from: "train", to: "objectives" },
  { from: "tasks", to: "backend" },
  { from: "generation", to: "backend" },
  { from: "generation", to: "models" },
];

const testing = "/testing(\\.ts$|/)";
const tests = `\\.test\\.ts$|${testing}`;
const top = "^src/(runtime|index)\\.ts$";
const forbidden = [
  { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
  ...Object.entries(allowed).map(([folder, others]) => ({
    name: `${folder}-imports`,
    severity: "error",
    comment: `src/${folder} may import ${["base", "ir", ...others].join(", ")}`,
    from: { path: `^src/${folder}/`, pathNot: tests },
    to: { path: "^src/", pathNot: [folder, "base", "ir", ...others].map((name) => `^src/${name}(/|\\.ts$)`) },
  })),
  ...typesOnly.map(({ from, to, except = "^$" }) => ({
    name: `${from}-takes-only-types-of-${to}`,
    severity: "error",
    from: { path: `^src/${from}/`, pathNot: tests },
    to: { path: `^src/${to}/`, pathNot: except, dependencyTypesNot: ["type-only"] },
  })),
  {
    name: "one-engine-room",
    severity: "error",
    comment: "only runtime.ts chooses an engine; an engine knows no other",
    from: { path: "^src/(?!backend/)", pathNot: [top, tests, "^src/cli/", "^src/export/"] },
    to: { path: "^src/backend/(?!backend\\.ts$)" },
  },
  {
    name: "export-opens-no-engine",
    severity: "error",
    comment: "the export writes what the ONNX engine's lowering makes; it runs nothing",
    from: { path: "^src/export/", pathNot: tests },
    to: { path: "^src/backend/(?!onnx/(lower|proto)/)" },
  },
  {
    name: "onnxruntime-stays-in-its-engine",
    severity: "error",
    from: { path: "^src/", pathNot: "^src/backend/onnx/" },
    to: { path: "onnxruntime" },
  },
  {
    name: "the-vector-store-stays-in-its-folder",
    severity: "error",
    from: { path: "^src/", pathNot: "^src/retrieval/" },
    to: { path: "@lancedb|apache-arrow" },
  },
  {
    name: "the-hub-stays-in-its-folder",
    severity: "error",
    from: { path: "^src/", pathNot: "^src/hub/" },
    to: { path: "@huggingface/hub" },
  },
  {
    name: "only-tests-import-what-serves-tests",
    severity: "error",
    comment: "what serves tests is not built",
    from: { path: "^src/", pathNot: tests },
    to: { path: testing },
  },
  {
    name: "nobody-imports-programs",
    severity: "error",
    from: { path: "^src/(?!cli/|studio/)" },
    to: { path: "^src/(cli|studio)/" },
  },
];

const { output } = await cruise(
  ["src"],
  {
    ruleSet: { forbidden },
    validate: true,
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
  },
  undefined,
  { tsConfig: extractTypeScriptConfig("tsconfig.json") },
);
const { violations, totalCruised } = output.summary;
for (const { rule, from, to, cycle } of violations) {
  const path = cycle === undefined ? to : cycle.map(({ name }) => name).join(" → ");
  console.error(`${rule.name}: ${from} → ${path}`);
}
// A parser that cannot read the sources sees none of them, and nothing to complain about.
if (totalCruised < 100) {
  console.error(`only ${totalCruised} modules were seen: the import check does not work`);
  process.exit(1);
}
if (violations.length > 0) process.exit(1);
console.log(`imports: ${totalCruised} modules, no forbidden import, no cycle`);
