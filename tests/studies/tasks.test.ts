import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkFinetuneRecipe } from "../../src/cli/recipe/finetune-recipe.ts";
import { applyOverrides, parseOverride, readRecipe } from "../../src/cli/recipe/read-recipe.ts";
import { preparedFile } from "../../studies/tasks/case.ts";
import { casesOf } from "../../studies/tasks/cases.ts";
import { sentenceParts, wikiqa } from "../../studies/tasks/data-set.ts";
import { drawn, heldEvery, heldGroups, partText } from "../../studies/tasks/part.ts";
import { type CaseResult, hasResult, readResults, writeResult } from "../../studies/tasks/result.ts";

const cases = casesOf("");
const reading = (files: Readonly<Record<string, string>>) => async (name: string) => files[name] ?? "";

describe("the study over all tasks", () => {
  test.each(cases.map((task) => [task.name, task] as const))(
    "%s: its settings make a recipe (would catch a setting that the command line refuses hours into the study)",
    async (_name, task) => {
      const file = (part: string) => preparedFile("runs/tasks", task, part);
      const place = { file, maxPositions: 128 };
      const sets = [`data.train=${file("train")}`, `data.eval=${file("eval")}`, ...task.settings(place)];
      const recipe = applyOverrides(await readRecipe(`recipes/${task.recipe}.yaml`), sets.map(parseOverride));
      const checked = checkFinetuneRecipe({ ...recipe, outputDir: "runs/x", model: "runs/m" }, task.name);
      expect(checked.data.train).toBe(file("train"));
      expect(cases.filter(({ name }) => name === task.name)).toHaveLength(1);
      for (const other of task.alsoOn ?? []) expect(cases.some(({ name }) => name === other)).toBe(true);
    },
  );

  test("a group is held out as a whole (would catch texts that questions of both parts are asked about)", () => {
    const items = [..."aabbbccdde"].map((group, i) => ({ group, i }));
    const { train, eval: held } = heldGroups(items, ({ group }) => group, 2);
    expect(held.map(({ group }) => group).join("")).toBe("bbbdd");
    expect(train).toHaveLength(5);
    expect(heldEvery([1, 2, 3, 4, 5], 2)).toEqual({ train: [1, 3, 5], eval: [2, 4] });
  });

  test("items are drawn without repetition, the same again (would catch parts that change from run to run)", () => {
    const items = Array.from({ length: 50 }, (_, i) => i);
    const some = drawn(items, 20, "x");
    expect(new Set(some).size).toBe(20);
    expect(drawn(items, 20, "x")).toEqual(some);
    expect(drawn(items, 20, "y")).not.toEqual(some);
    expect(items[0]).toBe(0);
  });

  test("sentences end at lines of white space (would catch WNUT's separating tabs)", async () => {
    const text = "a\tO\r\nb\tB-x\r\n\t\r\nc\tO\n\n\n\nd\tO\n";
    const { train } = await sentenceParts(["train", "none"])(reading({ train: text }));
    expect(train).toEqual(["a\tO\r\nb\tB-x", "c\tO", "d\tO"]);
    expect(partText("sentences", train)).toBe("a\tO\r\nb\tB-x\n\nc\tO\n\nd\tO\n\n");
  });

  test("WikiQA: questions with exactly one right sentence (would catch questions that cannot be answered)", async () => {
    const rows = ["q1\tno\t0", "q1\tyes\t1", "q2\tno\t0", "q2\tnor\t0", "q3\talone\t1", "q4\ta\t1", "q4\tb\t1"];
    const { train } = await wikiqa(reading({ "wikiqa/train.txt.gz": rows.join("\n") }));
    expect(train).toEqual([{ question: "q1", options: ["no", "yes"], label: 1 }]);
  });

  test("questions of one text stand together again (would catch a text for every question)", () => {
    const asked = ["1", "2", "3"].map((id, i) => ({ title: "t", context: i === 2 ? "B" : "A", question: { id } }));
    expect(JSON.parse(partText("questions", asked)).data).toEqual([
      { title: "t", paragraphs: [{ context: "A", qas: [{ id: "1" }, { id: "2" }] }] },
      { title: "t", paragraphs: [{ context: "B", qas: [{ id: "3" }] }] },
    ]);
  });

  test("a result is known by task, start and seed (would catch one seed standing for another)", async () => {
    const folder = await mkdtemp(join(tmpdir(), "firth-study-"));
    try {
      const result: CaseResult = { name: "a", start: "here", seed: 1, figures: { f1: 0.5 }, command: "firth" };
      writeResult(folder, result);
      expect(hasResult(folder, result)).toBe(true);
      expect(hasResult(folder, { ...result, seed: 2 })).toBe(false);
      expect(readResults(folder)).toEqual([result]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
