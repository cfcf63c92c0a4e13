import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { saveModel } from "../../api/model.ts";
import { bertConfig } from "../../models/bert/config.ts";
import { bert } from "../../models/bert/family.ts";
import { testTokenizer, testWords } from "../../tasks/testing.ts";
import { checkTaskOption, openGivenClassifier } from "../commands/given-classifier.ts";
import { evaluateTags, isTaggerModel } from "../commands/tag.ts";
import { Session } from "../session.ts";
import { runTogether } from "./run-together.ts";
import { checkTogetherRecipe } from "./together-recipe.ts";

const folder = mkdtempSync(join(tmpdir(), "firth-run-together-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  const tokenizer = testTokenizer();
  const sizes = { hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 32 };
  const config = bertConfig({ ...sizes, vocabSize: tokenizer.vocabSize, maxPositionEmbeddings: 32 });
  await saveModel(at("start"), { ...bert(config, { seed: 1 }), tokenizer });
  const word = (i: number): string => testWords[(i * 7) % testWords.length]!;
  const rows = (line: (i: number) => string, header: string): string =>
    `${header}\n${Array.from({ length: 24 }, (_, i) => line(i)).join("\n")}\n`;
  writeFileSync(
    at("one.tsv"),
    rows((i) => `${word(i)} film\t${i % 2 === 0 ? "even" : "odd"}`, "text\tlabel"),
  );
  const tags = (i: number): string =>
    [i, i + 1, i + 2].map((n) => `${word(n)} ${n % 2 === 0 ? "B-x" : "O"}\n`).join("");
  writeFileSync(at("tags.conll"), Array.from({ length: 12 }, (_, i) => tags(i)).join("\n"));
  writeFileSync(
    at("two.tsv"),
    rows((i) => `${word(i)}\t${word(i + 1)}\t${i % 2}`, "a\tb\trelevant"),
  );
});

const recipe = (change: object = {}) =>
  checkTogetherRecipe(
    {
      kind: "finetune",
      outputDir: at("run"),
      model: at("start"),
      tasks: {
        one: {
          task: { textColumns: "text", labelColumn: "label", maxSeqLength: 16 },
          data: { train: at("one.tsv"), eval: at("one.tsv") },
        },
        two: {
          task: { name: "textClassification", textColumns: ["a", "b"], labelColumn: "relevant", maxSeqLength: 16 },
          data: { train: at("two.tsv"), eval: at("two.tsv"), header: true },
          head: { kind: "stochasticAnswer", numSteps: 2 },
        },
        tags: {
          task: { name: "tokenClassification", maxSeqLength: 16, overlap: 2, crf: true },
          data: { train: at("tags.conll"), eval: at("tags.conll") },
        },
      },
      train: { numEpochs: 1, batchSize: 8 },
      single: { maxSteps: 2 },
      engine: { threads: 1 },
      ...change,
    },
    "test",
  );

describe("a recipe of several tasks", () => {
  test("is learnt together, then each task alone; figures of both, models of both, the columns of each (bugs: a task's settings under another's name, the second part without the first's weights)", async () => {
    const session = new Session({ json: true });
    const [outcome] = await runTogether(session, recipe());
    expect(outcome!.run).toMatchObject({ steps: 8, reason: "finished" });
    expect(Object.keys(outcome!.figures!)).toEqual(
      expect.arrayContaining(["average", "one.accuracy", "two.loss", "tags.f1", "alone.one.accuracy", "alone.tags.f1"]),
    );
    expect(outcome!.report).toMatch(/^task +figure +together +then alone\none +accuracy/);
    const found = await openGivenClassifier("predict", at("run/model"), "two");
    expect(found.columns).toEqual({ textColumns: ["a", "b"], labelColumn: "relevant" });
    expect(found.classifier.labels).toEqual(["0", "1"]);
    // A model of one task needs no name.
    const alone = await openGivenClassifier("predict", at("run/single/one/model"), undefined);
    expect(alone.classifier.labels).toEqual(["even", "odd"]);
    await expect(openGivenClassifier("predict", at("run/model"), undefined)).rejects.toMatchObject({
      code: "TASK_MISSING",
    });
    expect(() => checkTaskOption(at("start"), "two")).toThrow(expect.objectContaining({ code: "CONFIG_UNSUPPORTED" }));
    // A tagger knows how its files are read.
    expect(await isTaggerModel(at("run/model"), "tags")).toBe(true);
    expect(await isTaggerModel(at("run/model"), "one")).toBe(false);
    const results: object[] = [];
    const told = Object.assign(new Session({ json: true }), { result: (value: object) => void results.push(value) });
    const reading = { encoding: "utf-8", invalid: "error" } as const;
    const which = { model: at("run/model"), task: "tags" };
    await evaluateTags(told, which, { file: at("tags.conll"), reading }, { engine: { threads: 1 } });
    expect(results).toMatchObject([{ accuracy: outcome!.figures!["tags.accuracy"] }]);
    // The same recipe again only measures again.
    const [again] = await runTogether(session, recipe());
    expect(again!.figures).toEqual(outcome!.figures);
  });

  test("leaves no folder behind when its data cannot be read (bug: a folder that refuses the corrected recipe)", async () => {
    const broken = recipe({ outputDir: at("broken"), model: at("none") });
    await expect(runTogether(new Session({}), broken)).rejects.toThrow();
    expect(existsSync(at("broken"))).toBe(false);
  });
});
