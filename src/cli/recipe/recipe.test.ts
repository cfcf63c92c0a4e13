import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { tokenizerTraining } from "../settings/tokenizer.ts";
import { checkFinetuneRecipe } from "./finetune-recipe.ts";
import { checkGlueRecipe } from "./glue-recipe.ts";
import { checkPretrainRecipe } from "./pretrain-recipe.ts";
import type { Section } from "./problems.ts";
import { applyOverrides, parseOverride, readRecipe } from "./read-recipe.ts";
import { claimRunFolder, releaseRunFolder } from "./run-recipe.ts";
import { checkTogetherRecipe } from "./together-recipe.ts";

const recipes = fileURLToPath(new URL("../../../recipes", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "firth-recipe-"));
afterAll(() => rmSync(folder, { recursive: true }));

const minimal = { kind: "pretrain", outputDir: "run", tokenizer: "t", data: { input: "x" }, train: { maxSteps: 3 } };

describe("recipes of the package", () => {
  test.each(readdirSync(recipes))(
    "%s is right, and so is what it resolves to (bug: a setting that is not one)",
    async (name) => {
      const recipe = await readRecipe(join(recipes, name));
      const finetune = recipe.tasks === undefined ? checkFinetuneRecipe : checkTogetherRecipe;
      const checks = { pretrain: checkPretrainRecipe, finetune, glue: checkGlueRecipe };
      const check = checks[recipe.kind as keyof typeof checks];
      const resolved = check(recipe, name);
      expect(check(parse(stringify(resolved)) as Section, name)).toEqual(resolved);
    },
  );
});

describe("settings of the command line", () => {
  test("are YAML and reach into sections (bug: 1e-4 that stays a text, sections that lose their other settings)", () => {
    const overrides = ["train.learningRate=1e-4", "data.input=[a, b]", "model.preset=mini", "tokenizer=null"].map(
      parseOverride,
    );
    expect(applyOverrides(minimal, overrides)).toEqual({
      ...minimal,
      train: { maxSteps: 3, learningRate: 1e-4 },
      data: { input: ["a", "b"] },
      model: { preset: "mini" },
      tokenizer: null,
    });
  });

  test.each(["train.learningRate", "=3", "a..b=3", "a=[1"])("%s is refused", (text) => {
    expect(() => parseOverride(text)).toThrow(expect.objectContaining({ code: "SET_MALFORMED" }));
  });

  test("a file that is not YAML is told with its line (bug: a stack from the parser)", async () => {
    const path = join(folder, "broken.yaml");
    writeFileSync(path, "kind: pretrain\nmodel: {\n");
    await expect(readRecipe(path)).rejects.toMatchObject({
      code: "RECIPE_MALFORMED",
      message: expect.stringMatching(/line \d/),
    });
  });
});

describe("the tokenizer of a recipe", () => {
  const tokenizerOf = (model: object, train: object): unknown => {
    const { tokenizer } = checkPretrainRecipe(
      { ...minimal, model, tokenizer: { train } } as unknown as Section,
      "test",
    );
    return typeof tokenizer === "string" ? tokenizer : tokenizerTraining(tokenizer.train);
  };

  test("is the one of the model's family unless it says otherwise (bug: WordPiece for RoBERTa)", () => {
    const roberta = { kind: "byteBpe", options: { vocabSize: 30_000, clsToken: "<s>", eosToken: "</s>" } };
    expect(tokenizerOf({ family: "roberta" }, {})).toMatchObject(roberta);
    expect(tokenizerOf({ family: "roberta" }, { addPrefixSpace: true, clsToken: "<c>" })).toMatchObject({
      kind: "byteBpe",
      options: { addPrefixSpace: true, clsToken: "<c>", sepToken: "</s>" },
    });
    expect(tokenizerOf({ family: "albert" }, {})).toMatchObject({ kind: "unigram" });
    expect(tokenizerOf({ family: "bert" }, { kind: "bpe", fuseUnk: true })).toEqual({
      kind: "bpe",
      options: { vocabSize: 30_000, fuseUnk: true },
    });
  });

  test("has only settings of its kind (bug: a setting that is dropped in silence)", () => {
    const wrong = (): unknown => tokenizerOf({ family: "gpt2" }, { lowercase: true, shrinkingFactor: 0.5 });
    expect(wrong).toThrow(
      /tokenizer\.train\.lowercase: is for wordpiece, bpe, unigram; got kind byteBpe[\s\S]*shrinking/,
    );
    expect(() => tokenizerOf({}, { preset: "gpt2", kind: "bpe" })).toThrow(/must be left out or byteBpe/);
  });
});

describe("recipes about writing", () => {
  const writing = { kind: "finetune", outputDir: "run", model: "m", task: { name: "sequenceToSequence" } };

  test("have settings of their own, and are chosen by the loss (bug: the classes' settings)", () => {
    const { task, transfer } = checkFinetuneRecipe({ ...writing, data: { train: "a.jsonl" } }, "test");
    expect(task).toMatchObject({ sourceColumn: "source", maxTargetLength: 64, labelSmoothing: 0 });
    expect(transfer).toMatchObject({ selectionFigure: "loss", freeze: "none" });
  });

  test.each<[object, string]>([
    [{ data: { train: "a", evalTarget: "b" } }, "data.eval:.*data.trainTarget:"],
    [
      { data: { train: "a" }, transfer: { selectionFigure: "f1", frieze: [0], unfreezing: { name: "gradal" } } },
      "transfer.selectionFigure: must be loss.*transfer.frieze:.*freeze.*transfer.unfreezing.name:.*gradual",
    ],
    [
      { data: { train: "a" }, task: { name: "sequenceToSequence", labelColumn: 1, targetColumn: "source" } },
      "task.labelColumn",
    ],
    [
      { data: { train: "a", trainTarget: "b" }, task: { textColumns: 0, labelColumn: 1 } },
      "data.trainTarget: is for task",
    ],
  ])("%o is refused", (change, message) => {
    expect(() => checkFinetuneRecipe({ ...writing, ...change }, "test")).toThrow(new RegExp(message, "s"));
  });
});

describe("what cannot go together", () => {
  const issuesOf = (change: object): string[] => {
    try {
      checkPretrainRecipe({ ...minimal, ...change }, "recipe");
      return [];
    } catch (error) {
      return (error as { issues: { path: string; code: string }[] }).issues.map(({ path, code }) => `${path} ${code}`);
    }
  };

  test.each<[object, string[]]>([
    [{}, []],
    [{ data: {} }, ["data.input CONFIG_MISSING"]],
    [{ data: { input: "x", corpus: "c" } }, ["data.input CONFIG_AMBIGUOUS"]],
    [{ data: { corpus: "c", evalFraction: 0.1 } }, ["data.evalFraction CONFIG_AMBIGUOUS"]],
    [{ data: { corpus: "c" }, tokenizer: { train: {} } }, ["tokenizer.train CONFIG_AMBIGUOUS"]],
    [{ model: { from: "m", preset: "mini" } }, ["model.preset CONFIG_AMBIGUOUS"]],
    [
      { model: { preset: "minni", hiddenSiz: 3 } },
      ["model.preset CONFIG_UNKNOWN_VALUE", "model.hiddenSiz CONFIG_UNKNOWN_KEY"],
    ],
    [{ model: { family: "brt" } }, ["model.family CONFIG_UNKNOWN_VALUE"]],
    [{ train: 3, tokenizer: undefined }, ["tokenizer CONFIG_MISSING", "train CONFIG_VALUE"]],
    [
      { objective: { maxSeqLength: 600, unit: "x" } },
      ["objective.unit CONFIG_VALUE", "objective.maxSeqLength SEQUENCE_TOO_LONG"],
    ],
  ])("%j", (change, expected) => {
    expect(issuesOf(change)).toEqual(expected);
  });
});

describe("a run's folder", () => {
  const recipe = (change: object = {}) => checkPretrainRecipe({ ...minimal, ...change }, "recipe");

  test("goes on with the same run on another engine, refuses another run (bug: weights of two runs mixed)", async () => {
    const run = join(folder, "run");
    expect(await claimRunFolder(run, recipe())).toBe(false);
    expect(await claimRunFolder(run, recipe({ engine: { threads: 1 } }))).toBe(true);
    // Nothing was learned yet, so a corrected recipe may take the folder.
    expect(await claimRunFolder(run, recipe({ train: { maxSteps: 4 } }))).toBe(false);
  });

  test("goes on with a run that is older than a setting, which then has its usual value (bug: an update that ends all runs)", async () => {
    const run = join(folder, "older");
    const whole = recipe();
    const { noDropoutRatio: _new, ...train } = whole.train;
    await claimRunFolder(run, { ...whole, train });
    const complete = (there: Section) => checkPretrainRecipe(there, run);
    expect(await claimRunFolder(run, whole, complete)).toBe(true);
    expect(await claimRunFolder(run, recipe({ train: { maxSteps: 2, noDropoutRatio: 0.1 } }), complete)).toBe(false);
  });

  test("with something else in it is left alone (bug: a user's files among checkpoints)", async () => {
    const used = join(folder, "used");
    await claimRunFolder(used, recipe());
    writeFileSync(join(used, "precious.txt"), "");
    await releaseRunFolder(used);
    rmSync(join(used, "recipe.yaml"));
    await expect(claimRunFolder(used, recipe())).rejects.toMatchObject({ code: "OUTPUT_EXISTS" });
    const fresh = join(folder, "fresh");
    await claimRunFolder(fresh, recipe());
    await releaseRunFolder(fresh);
    expect(readdirSync(folder)).not.toContain("fresh");
  });
});
