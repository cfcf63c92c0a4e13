// The page of the inference comparison.

import { fixed, gigabytes, median, range } from "../section.mjs";
import { targetOf, works } from "./inference-cases.mjs";
import { commandsText, descriptionsOf, timesOf, turnsTable, workText } from "./page-parts.mjs";

/** Largest difference of the first answers (probabilities) from those of the first side that computes in f32. */
function distance(side, exact) {
  const pairs = side.report.shares.map((share, i) => Math.abs(share - exact.report.shares[i]));
  return pairs.length === 0 ? undefined : Math.max(...pairs);
}

function cellsOf(side, exact, numTexts) {
  const ms = median(timesOf(side));
  const digits = ms < 100 ? 1 : 0;
  return [
    `${fixed(ms, digits)} (${range(timesOf(side), digits)})`,
    fixed((1000 * numTexts) / ms, 1),
    distance(side, exact)?.toExponential(0) ?? "–",
    gigabytes(side.report.peakRssBytes),
  ];
}

function workSection(measured) {
  const { work, model, numTexts } = measured;
  return workText({
    title: `BERT-${model}: ${works[work].title}`,
    step: `${numTexts} text${numTexts === 1 ? "" : "s"} a step`,
    measured,
    tableOf: (group) =>
      turnsTable(group, {
        columns: ["ms, median (range)", "texts/s", "differs by", "peak GB"],
        exactId: "none",
        cellsOf: (side, exact) => cellsOf(side, exact, numTexts),
        targetOf: (ours, peer) => targetOf(work, ours, peer),
      }),
  });
}

/** Renders the section. */
export function renderInference(all) {
  const sides = all.flatMap(({ groups }) => groups.flat());
  const last = all.at(-1);
  return `# Inference

Written by \`npm run bench:peers -- inference --data FOLDER\`; do not edit.

- Machine: ${last.machine}.
- Firth on Node ${last.versions.node}; ${descriptionsOf(sides)}.
- The time of a step is all that passes from texts to probabilities, tokenizing included: of one text, or of all texts of the work. All sides
  stay loaded and take turns; only one is awake. A latency of 0.8 of a peer's is a ratio of 1.25, 0.4 is 2.5.
- All sides run the same network with the same random weights${last.ownVocabulary ? "; the vocabulary is learnt from SST-2's training texts" : ""}. *differs by*: the largest difference of the
  first eight texts' probabilities from Firth's in f32. With random weights that says little of what int8 costs: see the table of accuracy.
- Peers compute batches of 32 texts ordered by length, padded to the longest; Firth packs rows. PyTorch's int8 is torch.ao's dynamic
  quantization, its bf16 the whole model in bfloat16. transformers.js runs torch's ONNX export in ONNX Runtime. TensorFlow.js has no BERT: the
  encoder is written with its operators (bench/peers/tfjs-inference.mjs). The peers' allocator: ${last.malloc === "tuned" ? "glibc told to keep freed memory (PyTorch)" : "as it comes"}.

${all.map(workSection).join("\n\n")}

${commandsText(sides, "the model and the texts")}`;
}
