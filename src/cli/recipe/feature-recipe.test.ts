import { expect, it } from "vitest";
import { checkFinetuneRecipe } from "./finetune-recipe.ts";

const recipe = (
  transfer: object,
  task: object = { name: "textClassification", textColumns: "text", labelColumn: "label" },
) => ({
  ...{ kind: "finetune", outputDir: "out", model: "model", task, data: { train: "train.tsv" }, transfer },
});
const refusal = (section: object): string => {
  try {
    checkFinetuneRecipe(section as never, "recipe.yaml");
  } catch (error) {
    return String(error);
  }
  return "";
};

it("a recipe reads vectors off a model that stands still; all that moves it is refused together (bug: silently ignored)", () => {
  const checked = checkFinetuneRecipe(recipe({ features: { layers: [-1, 0] } }), "recipe.yaml");
  expect(checked.transfer.features).toEqual({
    ...{ layers: [-1, 0], pooling: ["mean"], hiddenSize: 0, dropout: 0.1, folder: null },
  });
  expect(checkFinetuneRecipe(recipe({}), "recipe.yaml").transfer).not.toHaveProperty("features");
  const moved = { freeze: "encoder", layerRateFactor: 2, adapter: { kind: "lora" }, features: { pooling: ["sum"] } };
  expect(refusal(recipe(moved))).toMatch(/adapter, freeze, unfreezing.*stands still.*features\.pooling.*"sum"/s);
});

it("tasks without heads over stored vectors say so", () => {
  const choosing = { name: "multipleChoice" };
  expect(refusal(recipe({ features: {} }, choosing))).toMatch(
    /transfer\.features: is for texts with a class or a number/,
  );
});
