import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import type { TaggedSentence, TaggedSource } from "../data/tagged-sentence.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert } from "../models/bert/family.ts";
import { gpt2Config } from "../models/gpt2/config.ts";
import { gpt2 } from "../models/gpt2/family.ts";
import { namedParameters } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";
import { openEngine } from "../runtime.ts";
import { testTable, testTokenizer } from "../tasks/testing.ts";
import { textClassification } from "../tasks/text-classification.ts";
import { textRegression } from "../tasks/text-regression.ts";
import { tokenClassification } from "../tasks/token-classification.ts";
import type { TrainEvent } from "../train/event.ts";
import { lineTexts, sentenceTexts, tableTexts } from "../transfer/cross-view/unlabelled-text.ts";
import { auxiliaryLanguageModeling } from "../transfer/strategy.ts";
import type { CrossViewOptions } from "./cross-view-option.ts";
import { explainTransfer } from "./explain-transfer.ts";
import { finetune } from "./finetune.ts";
import type { FinetuneOptions } from "./finetune-option.ts";
import { finetuneQuestionAnswering } from "./finetune-question-answering.ts";
import { finetuneTagging } from "./finetune-tagging.ts";
import { finetuneTogether } from "./finetune-together.ts";

const tokenizer = testTokenizer();
const sizes = { vocabSize: tokenizer.vocabSize, hiddenSize: 32, maxPositionEmbeddings: 32 };
const config = bertConfig({ ...sizes, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 64 });
const pretrained = bert(config, { seed: 5 });
const common = { tokenizer, maxSeqLength: 16 };

const pieces = ["good film", "good book", "good", "very", "so", "the", "a"];
function sentences(count: number, seed: number): TaggedSource {
  const random = new Random(seed, "sentences");
  const lines = Array.from({ length: count }, (_, i): TaggedSentence => {
    const words = Array.from({ length: 2 + random.nextInt(4) }, () => pieces[random.nextInt(pieces.length)]!)
      .join(" ")
      .split(" ");
    const tags = words.map((word) => (word === "good" ? "B-x" : word === "film" || word === "book" ? "I-x" : "O"));
    return { words, tags, line: i + 1 };
  });
  return {
    name: "sentences",
    sentences: async function* () {
      yield* lines;
    },
  };
}
const moods = (count: number) =>
  testTable(
    "moods",
    Array.from({ length: count }, (_, i) => ({
      text: i % 2 === 0 ? "so good film" : "the bad plot",
      label: i % 2 === 0 ? "good" : "bad",
    })),
  );
const tagging = tokenClassification({ ...common, overlap: 4 });
const crossView: CrossViewOptions = { unlabelled: sentenceTexts(sentences(40, 7)) };

const bytes = (weights: Weights): string[] =>
  [...weights].map(([name, data]) => `${name} ${Buffer.from(data.slice().buffer).toString("base64")}`);

describe("cross-view training", () => {
  let engine: Backend;
  let folder: string;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    folder = await mkdtemp(join(tmpdir(), "firth-cross-view-"));
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  });
  const options = (more: FinetuneOptions = {}): FinetuneOptions => ({
    ...{ engine, batchSize: 8, learningRate: 2e-3, seed: 2 },
    ...more,
  });

  it("takes labelled and unlabelled steps in turn, learns the tags, and its views come nearer; what is kept is a plain tagger (bugs: one kind of batch only, views in the saved model)", async () => {
    const told: [string, readonly string[]][] = [];
    const near: number[] = [];
    const listener = (event: TrainEvent): void => {
      if (event.kind !== "step") return;
      told.push([event.batchKind ?? "labelled", Object.keys(event.means)]);
      const forward = event.means["crossView.forward"];
      if (forward !== undefined) near.push(forward);
    };
    const files = { train: sentences(64, 1), eval: sentences(32, 2) };
    const made = await finetuneTagging(pretrained, tagging, files, options({ numEpochs: 12, crossView, listener }));
    expect(made.run.steps).toBe(2 * 12 * 8);
    expect(told.slice(0, 3)).toEqual([
      ["labelled", ["tokenClassification"]],
      ["unlabelled", ["forward", "backward", "future", "past"].map((name) => `crossView.${name}`)],
      ["labelled", ["tokenClassification"]],
    ]);
    expect(made.evaluation!.entities!.micro.f1).toBeGreaterThan(0.9);
    // A word is its own tag here: what is seen up to it says all. At first the network says nothing, which any view matches.
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(near.slice(-10))).toBeLessThan(0.1);
    expect(Math.max(...near)).toBeGreaterThan(0.1);
    expect([...made.weights.keys()].sort()).toEqual([...namedParameters(made.module).keys()].sort());
  });

  it("goes on after an interruption to the same weights; other texts are another run (bug: an order that begins anew)", async () => {
    const files = { train: sentences(24, 1), eval: sentences(8, 2) };
    const own = {
      maxSteps: 10,
      evalSteps: 5,
      crossView: { ...crossView, views: ["masked"], unlabelledSteps: 2 },
    } as const;
    const whole = await finetuneTagging(pretrained, tagging, files, options(own));
    const outputDir = join(folder, "parts");
    const controller = new AbortController();
    const listener = (event: TrainEvent): void => {
      if (event.kind === "step" && event.step === 5) controller.abort();
    };
    const part = await finetuneTagging(pretrained, tagging, files, {
      ...options(own),
      ...{ outputDir, listener, signal: controller.signal },
    });
    expect(part.run).toMatchObject({ steps: 5, reason: "interrupted" });
    const rest = await finetuneTagging(pretrained, tagging, files, options({ ...own, outputDir }));
    expect(bytes(rest.weights)).toEqual(bytes(whole.weights));
    const other = { ...own.crossView, unlabelled: sentenceTexts(sentences(41, 7)) };
    await expect(
      finetuneTagging(pretrained, tagging, files, options({ ...own, crossView: other, outputDir })),
    ).rejects.toMatchObject({ code: "RUN_MISMATCH" });
  });

  it("serves classes and numbers of texts, lines and tables, with a language loss beside and in two lanes (bugs: a pooled vector read by views, halves of a batch without their masks)", async () => {
    await writeFile(join(folder, "lines.txt"), "so good film\n\nthe very bad plot\n a good book\n");
    const seen = new Set<string>();
    const listener = (event: TrainEvent): void => {
      if (event.kind === "step") for (const name of Object.keys(event.means)) seen.add(name);
    };
    const two = await openEngine({ threads: 2 });
    const classes = await finetune(
      pretrained,
      textClassification(common),
      { train: moods(32), eval: moods(8) },
      options({
        ...{ engine: two, lanes: 2, maxSteps: 120, listener },
        crossView: { unlabelled: lineTexts(join(folder, "lines.txt")) },
      }),
    );
    expect(classes.evaluation!.accuracy).toBe(1);
    expect(seen).toEqual(
      new Set(["classification", ...["firstHalf", "secondHalf", "masked"].map((name) => `crossView.${name}`)]),
    );
    await two.dispose();
    seen.clear();
    const numbers = testTable("numbers", [
      { text: "good film", label: "1" },
      { text: "bad plot", label: "0" },
    ]);
    await finetune(
      pretrained,
      textRegression(common),
      { train: numbers },
      options({
        ...{ maxSteps: 4, listener, ...auxiliaryLanguageModeling() },
        crossView: { unlabelled: tableTexts(moods(4), ["text"]), views: ["masked"] },
      }),
    );
    expect(seen).toEqual(new Set(["regression", "mlm", "crossView.masked"]));
  });

  it("of several tasks learns all predictions on one unlabelled batch (bug: views of one task only)", async () => {
    const kinds = new Set<string>();
    const listener = (event: TrainEvent): void => {
      if (event.kind === "step") for (const name of Object.keys(event.means)) kinds.add(`${event.batchKind} ${name}`);
    };
    const tasks = [
      { name: "tags", task: tagging, train: sentences(24, 1), eval: sentences(8, 2) },
      { name: "mood", task: textClassification(common), train: moods(24), eval: moods(8) },
    ];
    const views = ["forward", "past", "masked"] as const;
    const run = (more: FinetuneOptions) =>
      finetuneTogether(pretrained, tasks, { ...options({ ...more, crossView: { ...crossView, views } }) });
    const made = await run({ maxSteps: 60, listener });
    expect(kinds).toEqual(
      new Set([
        ...["tags tags.tokenClassification", "mood mood.classification"],
        ...views.map((name) => `unlabelled tags.crossView.${name}`),
        "unlabelled mood.crossView.masked",
      ]),
    );
    expect(Object.keys(made.evaluation!)).toEqual(["tags", "mood"]);
    const { text } = await explainTransfer((given) => run(given), { maxSteps: 60 });
    expect(text).toContain("48 examples and 40 texts without labels");
    expect(text).toMatch(/tags\.tokenClassification.* \| .*tags\.crossView\.forward \+ tags\.crossView\.past/);
  });

  it("refuses what does not fit, all of it together, and texts that no task reads", async () => {
    const files = { train: sentences(8, 1) };
    const wrong = { ...crossView, views: ["firstHalf"], weight: 0, batchSize: 0 } as never as CrossViewOptions;
    const failure = await finetuneTagging(pretrained, tagging, files, options({ crossView: wrong })).catch((e) => e);
    expect(failure.issues.map(({ path }: { path: string }) => path).sort()).toEqual([
      ...["crossView.batchSize", "crossView.weight"],
    ]);
    const unused = { ...crossView, views: ["firstHalf"] } as const;
    await expect(finetuneTagging(pretrained, tagging, files, options({ crossView: unused }))).rejects.toMatchObject({
      issues: [{ path: "crossView.views", code: "VIEW_UNUSED" }],
    });
    const layers = { numHiddenLayers: 1, numAttentionHeads: 2 };
    const left = gpt2(gpt2Config({ ...sizes, ...layers, bosTokenId: 2, eosTokenId: 3 }), { seed: 1 });
    await expect(
      finetune(
        left,
        textClassification(common),
        { train: moods(4) },
        options({ crossView: { ...crossView, views: ["firstHalf"] } }),
      ),
    ).rejects.toMatchObject({ issues: [{ path: "crossView.views", code: "VIEW_UNSUPPORTED" }] });
    const pairs = { unlabelled: tableTexts(moods(4), ["text", "text"]) };
    await expect(finetuneTagging(pretrained, tagging, files, options({ crossView: pairs }))).rejects.toMatchObject({
      code: "TEXTS_UNUSED",
    });
    const answers = finetuneQuestionAnswering as never as (...given: unknown[]) => Promise<unknown>;
    const task = { settings: { tokenizer, maxSeqLength: 16, maxQueryLength: 4, docStride: 4 } };
    const asked = await answers(pretrained, task, { train: { hasUnanswerable: false } }, options({ crossView })).catch(
      (error: unknown) => error,
    );
    expect(asked).toMatchObject({
      issues: expect.arrayContaining([expect.objectContaining({ path: "crossView", code: "STRATEGY_UNSUPPORTED" })]),
    });
  });
});
