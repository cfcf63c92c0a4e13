/** @file Settings of learning vectors for search: the same for recipes and for the command line. */
import {
  booleanField,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  listField,
  nullableField,
  numberField,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { formatJson } from "../../formats/json-file.ts";
import { poolings } from "../../tasks/pooling.ts";
import { retrievalLosses } from "../../tasks/retrieval.ts";
import { columnField } from "./text.ts";

const column = (byDefault: string, doc: string) => ({
  ...columnField(doc),
  needed: false as const,
  default: byDefault,
});

export const retrievalTaskTable = defineConfig({
  name: "task",
  fields: defineFields({
    name: choiceField(["retrieval"], { default: "retrieval", doc: "What is learned." }),
    loss: choiceField(retrievalLosses, {
      default: "inBatchNegatives",
      doc: "Own passage among all of the batch; cosine as a score; or a class from both vectors.",
    }),
    questionColumn: column("question", "Column of the question."),
    passageColumn: column("answer", "Column of the text that answers."),
    groupColumn: nullableField(columnField("Names what a passage stands for; null: its text.")),
    negativeColumn: nullableField(columnField("Column of a text, or list of texts, that do not answer.")),
    labelColumn: column("label", "Column of the score or class."),
    textColumn: nullableField(
      columnField("Column of texts that have a class each (labelColumn): pairs are drawn from them by the seed."),
    ),
    numDrawn: integerField({
      default: 1,
      min: 1,
      doc: "With textColumn: texts of its class that each text is paired with.",
    }),
    numOthers: nullableField(
      integerField({
        min: 0,
        doc: "With textColumn: texts of other classes for each pair; null: 0, or 1 without ranks.",
      }),
    ),
    scale: numberField({ default: 20, min: 0, doc: "What cosines are multiplied with before the softmax." }),
    isSymmetric: booleanField({ default: false, doc: "Passages must find their questions too." }),
    scoreRange: nullableField(
      listField(numberField({ doc: "" }), { doc: "Scores of nothing in common and the same." }),
    ),
    pooling: choiceField(poolings, { default: "mean", doc: "How the vectors of a text's tokens become one." }),
    maxSeqLength: integerField({ default: 128, min: 5, doc: "Longest text in tokens, special tokens included." }),
    packed: booleanField({ default: true, doc: "Put several short texts into one row." }),
    corpus: nullableField(textField({ doc: "Table of more passages that held-out questions are searched for among." })),
    numMined: integerField({ default: 0, min: 0, doc: "Hard negatives that the starting model finds for each pair." }),
    minedRanks: listField(integerField({ doc: "", min: 1 }), {
      default: [1, 30],
      doc: "Ranks that they are drawn from.",
    }),
  }),
  rules: ({ minedRanks, scoreRange, numMined, loss, negativeColumn, groupColumn, textColumn, numOthers }) => [
    ...(minedRanks.length === 2 ? [] : [{ path: "minedRanks", message: "must be two ranks.", code: "CONFIG_RANGE" }]),
    ...(scoreRange === null || scoreRange.length === 2
      ? []
      : [{ path: "scoreRange", message: "must be two numbers.", code: "CONFIG_RANGE" }]),
    ...(numMined > 0 && (loss !== "inBatchNegatives" || negativeColumn !== null)
      ? [
          {
            path: "numMined",
            message: "is for the loss inBatchNegatives without a negativeColumn.",
            code: "CONFIG_AMBIGUOUS",
          },
        ]
      : []),
    ...(textColumn !== null && (negativeColumn !== null || groupColumn !== null)
      ? [
          {
            path: "textColumn",
            message: "draws pairs with their groups and negatives. Leave out groupColumn and negativeColumn.",
            code: "CONFIG_AMBIGUOUS",
          },
        ]
      : []),
    ...(textColumn !== null && numMined > 0 && (numOthers ?? 0) > 0
      ? [{ path: "numOthers", message: "must be 0 where negatives are mined (numMined).", code: "CONFIG_AMBIGUOUS" }]
      : []),
    ...(textColumn !== null && loss !== "inBatchNegatives" && numOthers === 0
      ? [{ path: "numOthers", message: `must be 1 at least with the loss ${loss}; got 0.`, code: "CONFIG_RANGE" }]
      : []),
  ],
});

export type RetrievalTaskSettings = ConfigOf<typeof retrievalTaskTable.fields>;

/** The content of the file beside a model for search: which columns it learnt from. */
export function retrievalTaskFile(task: RetrievalTaskSettings): readonly [name: string, text: string] {
  const { name, textColumn } = task;
  const [questionColumn, passageColumn] = [textColumn ?? task.questionColumn, textColumn ?? task.passageColumn];
  return ["task.json", formatJson({ task: name, questionColumn, passageColumn })];
}
