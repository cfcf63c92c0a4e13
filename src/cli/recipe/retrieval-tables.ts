/** @file The tables of a recipe that learns vectors for search: pairs as files have them, or drawn from texts with classes. */
import type { RetrievalTables } from "../../api/finetune-retrieval.ts";
import type { ColumnRef, TableSource } from "../../data/table.ts";
import { labelPairs, labelSearch } from "../../tasks/label-pairs.ts";
import type { RetrievalTaskSettings } from "../settings/retrieval-task.ts";
import { openTable } from "../settings/text.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { openRecipeData, type RecipeData, tablesIn } from "./recipe-data.ts";

/** Tables, and where their pairs stand. */
export interface OpenedPairs extends RetrievalTables {
  readonly columns: {
    readonly questionColumn: ColumnRef;
    readonly passageColumn: ColumnRef;
    readonly groupColumn: ColumnRef | undefined;
    readonly negativeColumn: ColumnRef | undefined;
    readonly labelColumn: ColumnRef;
  };
}

type RetrievalRecipe = FinetuneRecipe<RetrievalTaskSettings>;

type Tables = ReturnType<typeof tablesIn>;

/** Pairs of texts of one class; what is held out is searched for by class, or scored. */
async function drawnPairs(
  { task, data, train }: RetrievalRecipe,
  tables: Tables,
  textColumn: ColumnRef,
): Promise<OpenedPairs> {
  const { labelColumn, loss, numDrawn, numOthers, corpus } = task;
  const isRanked = loss === "inBatchNegatives";
  const numNegatives = numOthers ?? (isRanked ? 0 : 1);
  const options = { textColumn, labelColumn, numPositives: numDrawn, numNegatives, seed: train.seed };
  const columns = {
    ...{ questionColumn: "question", passageColumn: "answer", labelColumn: "label" },
    groupColumn: isRanked ? "group" : undefined,
    negativeColumn: isRanked && numNegatives > 0 ? "negatives" : undefined,
  };
  const draw = (table: TableSource) => labelPairs(table, { ...options, form: isRanked ? "ranked" : "scored" });
  const pairs = await draw(tables.train);
  if (tables.eval === undefined) return { columns, train: pairs };
  if (!isRanked) return { columns, train: pairs, eval: await draw(tables.eval) };
  const among = corpus === null ? undefined : openTable(corpus, data);
  // What is held out stays the same from seed to seed, so that figures can be compared.
  const held = await labelSearch(tables.eval, { textColumn, labelColumn, among });
  return { columns, train: pairs, eval: held.pairs, corpus: held.corpus };
}

/**
 * Opens what a recipe learns from and is measured on.
 * @param parts of the recipe's data; the files it names when left out
 */
export async function openPairs(recipe: RetrievalRecipe, parts?: RecipeData): Promise<OpenedPairs> {
  const { task, data } = recipe;
  const tables = tablesIn(parts ?? (await openRecipeData(recipe)));
  const { questionColumn, passageColumn, groupColumn, negativeColumn, labelColumn, textColumn, corpus } = task;
  if (textColumn !== null) return drawnPairs(recipe, tables, textColumn);
  return {
    columns: {
      ...{ questionColumn, passageColumn, labelColumn },
      groupColumn: groupColumn ?? undefined,
      negativeColumn: negativeColumn ?? undefined,
    },
    ...tables,
    corpus: corpus === null || tables.eval === undefined ? undefined : openTable(corpus, data),
  };
}
