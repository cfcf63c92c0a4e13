import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { ConfigError } from "../../base/errors.ts";
import type { Section } from "./problems.ts";
import { applyOverrides, parseOverride, readRecipe } from "./read-recipe.ts";
import { checkTogetherRecipe } from "./together-recipe.ts";

const file = fileURLToPath(new URL("../../../recipes/mt-dnn-glue.yaml", import.meta.url));

const columns = { textColumns: "text", labelColumn: "label" };
const minimal = {
  kind: "finetune",
  outputDir: "run",
  model: "m",
  tasks: {
    one: { task: columns, data: { train: "a.tsv" } },
    two: { task: { name: "textRegression", ...columns }, data: { train: "b.tsv" } },
  },
};

const issuesOf = (recipe: Section): string[] => {
  try {
    checkTogetherRecipe(recipe, "test");
  } catch (error) {
    if (error instanceof ConfigError) return error.issues.map(({ path, code }) => `${path} ${code}`).sort();
    throw error;
  }
  return [];
};

describe("recipes of several tasks", () => {
  test("resolve to themselves; the package's has the four kinds of task (bug: a setting that is lost or changed)", async () => {
    const resolved = checkTogetherRecipe(await readRecipe(file), file);
    expect(checkTogetherRecipe(parse(stringify(resolved)) as Section, "again")).toEqual(resolved);
    expect(Object.entries(resolved.tasks).map(([name, { task, head }]) => [name, task.name, head])).toEqual([
      ["cola", "textClassification", null],
      ["sst2", "textClassification", null],
      ["stsb", "textRegression", null],
      ["mrpc", "textClassification", "stochasticAnswer"],
      ["rte", "textClassification", "stochasticAnswer"],
      ["qnli", "textRanking", null],
    ]);
    expect(resolved.train).toMatchObject({ numEpochs: 5, maxSteps: null, learningRate: 5e-5 });
    // What it does not say of the second part is as in the first.
    expect(resolved.single).toMatchObject({ numEpochs: 3, learningRate: 2e-5, batchSize: 32, selectBest: true });
  });

  test("settings of the command line choose tasks and reach into them (bug: tasks that only: leaves out are learnt)", async () => {
    const overrides = [
      "only=[rte]",
      "single=null",
      "train.maxSteps=7",
      "tasks.rte.head={kind: stochasticAnswer, numSteps: 2}",
    ];
    const recipe = applyOverrides(await readRecipe(file), overrides.map(parseOverride));
    // numEpochs of the file and maxSteps of the command line: both cannot hold.
    expect(issuesOf(recipe)).toEqual(["train.numEpochs CONFIG_AMBIGUOUS"]);
    const changed = applyOverrides(recipe, [parseOverride("train.numEpochs=null")]);
    const { tasks, single, train } = checkTogetherRecipe(changed, "test");
    expect(Object.keys(tasks)).toEqual(["rte"]);
    expect(tasks.rte!.head).toEqual({ kind: "stochasticAnswer", numSteps: 2, stepDropout: 0.1, dropout: 0.1 });
    expect(single).toBeNull();
    expect(train).toMatchObject({ maxSteps: 7, numEpochs: null });
  });

  test("have defaults where nothing is said", () => {
    const { tasks, mixing, train, single } = checkTogetherRecipe(minimal, "test");
    expect(tasks.one!.task).toMatchObject({ name: "textClassification", textColumns: ["text"], labelColumn: "label" });
    expect(mixing).toEqual({ exponent: 1, finalExponent: null, maxExamples: null });
    expect(train).toMatchObject({ numEpochs: 3, learningRate: 5e-5 });
    expect(single).toBeNull();
  });

  test("tell all problems of all tasks together (bug: the first only, a wrong task that only: leaves out)", () => {
    const recipe = {
      ...minimal,
      model: "",
      task: { name: "textClassification" },
      only: ["one", "three"],
      tasks: {
        one: { task: columns, data: { train: "a", evalTarget: "b" }, head: "linar", figure: "pearson" },
        two: { task: { name: "textRegresion", ...columns }, data: { train: "b" } },
        four: { task: { name: "textRanking", textColumns: "q", labelColumn: "l" }, daten: {}, head: { numSteps: 0 } },
      },
      mixing: { exponent: 1.5, finalExponent: 0, temperature: 2 },
      train: { maxSteps: 5 },
      single: { learningrate: 1 },
      transfer: { freeze: "all" },
    };
    expect(issuesOf(recipe)).toEqual(
      [
        "model CONFIG_MISSING",
        "task CONFIG_UNKNOWN_KEY",
        "only CONFIG_VALUE",
        "tasks.one.data.evalTarget CONFIG_AMBIGUOUS",
        "tasks.one.head CONFIG_VALUE",
        "tasks.one.figure CONFIG_VALUE",
        "tasks.two.task.name CONFIG_VALUE",
        "tasks.four.daten CONFIG_UNKNOWN_KEY",
        "tasks.four.task.textColumns CONFIG_RANGE",
        "tasks.four.data.train CONFIG_MISSING",
        "tasks.four.head.numSteps CONFIG_VALUE",
        "mixing.exponent CONFIG_VALUE",
        "mixing.temperature CONFIG_UNKNOWN_KEY",
        "single.learningrate CONFIG_UNKNOWN_KEY",
        "transfer.freeze CONFIG_UNKNOWN_VALUE",
      ].sort(),
    );
    const annealed = { ...minimal, mixing: { finalExponent: 0 }, train: { maxSteps: 5 } };
    expect(issuesOf(annealed)).toEqual(["mixing.finalExponent CONFIG_AMBIGUOUS"]);
    expect(issuesOf({ ...minimal, tasks: {} })).toEqual(["tasks CONFIG_MISSING"]);
  });

  test("with a task twice are refused by their text (bug: the second in silence)", async () => {
    const twice = "kind: finetune\ntasks:\n  a: {data: {train: x}}\n  a: {data: {train: y}}\n";
    expect(() => parse(twice)).toThrow(/unique/);
  });
});
