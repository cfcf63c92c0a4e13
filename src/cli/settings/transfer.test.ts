import { expect, test } from "vitest";
import { checkFinetuneRecipe } from "../recipe/finetune-recipe.ts";
import type { Section } from "../recipe/problems.ts";
import { readRecipe } from "../recipe/read-recipe.ts";

const recipe = {
  kind: "finetune",
  outputDir: "runs/x",
  model: "runs/model",
  task: { name: "textClassification", textColumns: "text", labelColumn: "label" },
  data: { train: "train.tsv" },
};

test("an adapter stands in the section transfer, and is a recipe again (bug: defaults that are lost)", () => {
  const whole = checkFinetuneRecipe({ ...recipe, transfer: { adapter: { kind: "lora", rank: 4 } } }, "recipe");
  const adapter = { kind: "lora", rank: 4, alpha: 16, dropout: 0, targets: null };
  expect(whole.transfer.adapter).toEqual(adapter);
  expect(checkFinetuneRecipe(whole as unknown as Section, "again").transfer.adapter).toEqual(adapter);
  expect(checkFinetuneRecipe(recipe, "recipe").transfer.adapter).toBeNull();
});

test("what an adapter cannot be is told with everything else, by its path (bug: the first problem only)", () => {
  const transfer = { adapter: { kind: "houlsby", rank: 4, size: 0 }, selectionFigure: "acc" };
  expect(() => checkFinetuneRecipe({ ...recipe, transfer }, "recipe")).toThrow(
    /transfer\.adapter\.rank: is not a setting.*transfer\.adapter\.size: must be an integer ≥ 1; got 0.*transfer\.selectionFigure/s,
  );
  expect(() => checkFinetuneRecipe({ ...recipe, transfer: { adapter: "lora" } }, "recipe")).toThrow(
    /transfer\.adapter: must be a section of settings; got "lora"/,
  );
});

test("the recipe of LoRA is whole", async () => {
  const path = "recipes/classify-sst2-lora.yaml";
  const { transfer } = checkFinetuneRecipe(await readRecipe(path), path);
  expect(transfer.adapter).toEqual({ kind: "lora", rank: 8, alpha: 16, dropout: 0, targets: ["query", "value"] });
});
