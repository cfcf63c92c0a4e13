/** @file The tables of a recipe that learns vectors for search: pairs as files have them, or drawn from texts with classes. */
import type { RetrievalTables } from "../../api/finetune-retrieval.ts";
import type { ColumnRef } from "../../data/table.ts";
import { labelPairs, labelSearch } from "../../tasks/label-pairs.ts";
import type { RetrievalTaskSettings } from "../settings/retrieval-task.ts";
import { openTable } from "../settings/text.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";

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

/** Pairs of texts of one class; what is held out is searched for by class, or scored. */
async function drawnPairs({ task, data, train }: RetrievalRecipe, textColumn: ColumnRef): Promise<OpenedPairs> {
  const { labelColumn, loss, numDrawn, numOthers, corpus } = task;
  const isRanked = loss === "inBatchNegatives";
  const numNegatives = numOthers ?? (isRanked ? 0 : 1);
  const options = { textColumn, labelColumn, numPositives: numDrawn, numNegatives, seed: train.seed };
  const columns = {
    ...{ questionColumn: "question", passageColumn: "answer", labelColumn: "label" },
    groupColumn: isRanked ? "group" : undefined,
    negativeColumn: isRanked && numNegatives > 0 ? "negatives" : undefined,
  };
  const draw = (file: string) =>
    labelPairs(openTable(file, data), { ...options, form: isRanked ? "ranked" : "scored" });
  const pairs = await draw(data.train);
  if (data.eval === null) return { columns, train: pairs };
  if (!isRanked) return { columns, train: pairs, eval: await draw(data.eval) };
  const among = corpus === null ? undefined : openTable(corpus, data);
  // What is held out stays the same from seed to seed, so that figures can be compared.
  const held = await labelSearch(openTable(data.eval, data), { textColumn, labelColumn, among });
  return { columns, train: pairs, eval: held.pairs, corpus: held.corpus };
}

/** Opens what a recipe learns from and is measured on. */
export async function openPairs(recipe: RetrievalRecipe): Promise<OpenedPairs> {
  const { task, data } = recipe;
  const { questionColumn, passageColumn, groupColumn, negativeColumn, labelColumn, textColumn, corpus } = task;
  if (textColumn !== null) return drawnPairs(recipe, textColumn);
  return {
    columns: {
      ...{ questionColumn, passageColumn, labelColumn },
      groupColumn: groupColumn ?? undefined,
      negativeColumn: negativeColumn ?? undefined,
    },
    train: openTable(data.train, data),
    eval: data.eval === null ? undefined : openTable(data.eval, data),
    corpus: corpus === null || data.eval === null ? undefined : openTable(corpus, data),
  };
}
