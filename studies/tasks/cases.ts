/** @file The tasks of the study: recipes of the project over real data, with the settings of a network of four small layers. */
import type { CasePlace, Figure, TaskCase } from "./case.ts";
import {
  banking77,
  bareParts,
  cola,
  faq,
  lcqmc,
  namedParts,
  promoters,
  qnli,
  questionParts,
  questionTest,
  sentenceParts,
  splice,
  trec,
  wikiqa,
} from "./data-set.ts";

const accuracy: Figure = { name: "accuracy", title: "accuracy" };
const f1: Figure = { name: "f1", title: "F1" };
const matthews: Figure = { name: "matthews", title: "Matthews correlation" };
const answers: readonly Figure[] = [
  { name: "f1", title: "F1", scale: 1 },
  { name: "exact", title: "exact match", scale: 1 },
];
const entities: readonly Figure[] = [{ name: "f1", title: "F1 of entities" }];

/** The rate of most tasks for networks of four layers of width 256. */
const usualRate = 3e-4;
const columns = (text: string): string[] => [`task.textColumns=${text}`, "task.labelColumn=label"];

type Own = Pick<TaskCase, "name" | "title" | "parts" | "numEpochs" | "seconds"> & Partial<TaskCase>;

const base = { language: "en", learningRate: usualRate, settings: () => [] } as const;

/** One text and its class. */
const single = (own: Own): TaskCase => ({
  ...{ ...base, kind: "classes", recipe: "classify-sst2", figures: [accuracy] },
  settings: () => columns("text"),
  ...own,
});

/** Two texts and their class. */
const pair = (own: Own): TaskCase => ({
  ...{ ...base, kind: "classes", recipe: "classify-mrpc", figures: [accuracy] },
  settings: () => columns('["text1","text2"]'),
  ...own,
});

/** Tags that a small part of the data may lack. */
const universalTags = "task.labels=[ADJ,ADP,ADV,AUX,CCONJ,DET,INTJ,NOUN,NUM,PART,PRON,PROPN,PUNCT,SCONJ,SYM,VERB,X]";
const emerging = ["corporation", "creative-work", "group", "location", "person", "product"];
const emergingTags = `task.labels=[O,${emerging.flatMap((type) => [`B-${type}`, `I-${type}`]).join()}]`;

const tagged = (own: Own & Pick<TaskCase, "recipe" | "figures">): TaskCase => ({
  ...{ ...base, kind: "tags", learningRate: 5e-4 },
  ...own,
});

/** Windows are as long as the model that was pre-trained here allows, 256 tokens at most, for all models alike. */
const windows = ({ maxPositions }: CasePlace): string[] => {
  const length = Math.min(256, maxPositions);
  return [`task.maxSeqLength=${length}`, `task.docStride=${length / 2}`, "task.maxQueryLength=null"];
};

const answered = (own: Own): TaskCase => ({
  ...{ ...base, kind: "answers", recipe: "answer-squad", figures: answers, settings: windows },
  ...own,
});

const chinese = { language: "zh" } as const;
const dna = { language: "dna" } as const;
const symbols = () => [...columns("text"), "task.maxSeqLength=96"];
const pairNames = (first: string, second: string, label: string) => ({ text1: first, text2: second, label });
const sentences = pairNames("sentence1", "sentence2", "label");
const msr = pairNames("#1 String", "#2 String", "Quality");

/** @param data folder of the data sets */
export const casesOf = (data: string): readonly TaskCase[] => [
  single({
    ...{ name: "sst2", title: "SST-2, sentiment", numEpochs: 3, seconds: 75 },
    parts: bareParts(["sst2/train.tsv.gz", "sst2/dev.tsv"], { text: 0, label: 1 }),
  }),
  single({
    ...{ name: "cola", title: "CoLA, acceptability", figures: [matthews], numEpochs: 4, seconds: 65, parts: cola },
  }),
  pair({
    ...{ name: "mrpc", title: "MRPC, paraphrases", figures: [f1, accuracy], numEpochs: 3, seconds: 85 },
    parts: namedParts(["mrpc/msr-para-train.tsv.gz", "mrpc/msr-para-val.tsv"], msr),
  }),
  {
    ...{ ...base, name: "stsb", title: "STS-B, similarity", kind: "score", recipe: "regress-stsb", numEpochs: 3 },
    figures: [
      { name: "pearson", title: "Pearson correlation" },
      { name: "spearman", title: "Spearman correlation" },
    ],
    settings: () => columns('["text1","text2"]'),
    parts: bareParts(["stsb/sts-train.csv.gz", "stsb/sts-dev.csv"], { text1: 5, text2: 6, label: 4 }),
    seconds: 80,
  },
  pair({
    ...{ name: "rte", title: "RTE, entailment", numEpochs: 3, seconds: 85 },
    parts: namedParts(["rte/train.tsv.gz", "rte/dev.tsv"], sentences),
  }),
  pair({
    ...{ name: "wnli", title: "WNLI, pronouns", numEpochs: 5, seconds: 25 },
    parts: namedParts(["wnli/train.tsv", "wnli/dev.tsv"], sentences),
  }),
  pair({
    ...{ name: "qnli", title: "QNLI, every fifth pair of its development set held out", numEpochs: 3, seconds: 85 },
    ...{ parts: qnli, most: { train: 3500 } },
  }),
  single({
    ...{ name: "trec", title: "TREC, six kinds of questions, every tenth held out", numEpochs: 5, seconds: 50 },
    parts: trec,
  }),
  single({
    ...{ name: "banking77", title: "Banking77, 77 intents", numEpochs: 5, learningRate: 5e-4, seconds: 110 },
    parts: banking77(data),
  }),
  tagged({
    ...{ name: "pos", title: "UD English EWT, parts of speech", recipe: "tag-pos", figures: [accuracy], numEpochs: 3 },
    settings: () => [universalTags],
    parts: sentenceParts(["ud_en_ewt/en_ewt-ud-train.conllu.gz", "ud_en_ewt/en_ewt-ud-dev.conllu.gz"]),
    ...{ most: { train: 6000 }, seconds: 70 },
  }),
  tagged({
    ...{ name: "ncbi", title: "NCBI, diseases", recipe: "tag-ner", figures: entities, numEpochs: 3, seconds: 85 },
    parts: sentenceParts(["ncbi_disease/train.tsv.gz", "ncbi_disease/devel.tsv"]),
  }),
  tagged({
    ...{ name: "wnut17", title: "WNUT 2017, emerging entities", recipe: "tag-ner", figures: entities, numEpochs: 5 },
    settings: () => [emergingTags],
    parts: sentenceParts(["wnut17/wnut17train.conll.gz", "wnut17/emerging.dev.conll"]),
    seconds: 75,
  }),
  answered({
    ...{ name: "squad", title: "SQuAD by new Wikipedia articles, every tenth article held out", numEpochs: 2 },
    parts: questionParts("squadshifts/new_wiki_v1.0.json.gz", 10),
    ...{ most: { train: 2000, eval: 600 }, alsoOn: ["xquad"], seconds: 230 },
  }),
  answered({
    ...{ name: "xquad", title: "XQuAD English, by the same models", numEpochs: 0, seconds: 0 },
    ...{ parts: questionTest("xquad/xquad.en.json.gz"), most: { eval: 600 } },
  }),
  {
    ...{
      ...base,
      name: "wikiqa",
      title: "WikiQA, the one right sentence of several",
      kind: "choice",
      recipe: "choose",
    },
    ...{ figures: [accuracy], numEpochs: 2, parts: wikiqa, most: { train: 600 }, seconds: 80 },
    settings: () => ["train.batchSize=8"],
  },
  {
    ...{ ...base, name: "faq", title: "DataTalks FAQ, entries that were never asked for", numEpochs: 2, seconds: 120 },
    ...{ kind: "search", recipe: "retrieve-faq", parts: faq(data), most: { train: 1800 } },
    figures: [
      { name: "mrr", title: "MRR" },
      { name: "recall1", title: "recall@1" },
      { name: "recall5", title: "recall@5" },
    ],
    settings: ({ file }) => ["task.groupColumn=document", `task.corpus=${file("corpus")}`, "train.batchSize=32"],
    // When the study was first run, oneDNN 2 refused the pooled vectors in bf16.
    dtype: "f32",
  },
  single({
    ...{ ...chinese, name: "chnsenticorp", title: "ChnSentiCorp, sentiment", numEpochs: 2, seconds: 85 },
    parts: namedParts(["chnsenticorp/train.tsv.gz", "chnsenticorp/dev.tsv"], { text: "text_a", label: "label" }),
    settings: () => [...columns("text"), "task.maxSeqLength=128"],
    most: { train: 3000 },
  }),
  pair({
    ...{ ...chinese, name: "lcqmc", title: "LCQMC, every fifth pair of its development set held out", numEpochs: 3 },
    ...{ parts: lcqmc, seconds: 80 },
  }),
  tagged({
    ...{ ...chinese, name: "pos-zh", title: "UD Chinese GSDSimp, parts of speech", recipe: "tag-pos", numEpochs: 10 },
    ...{ figures: [accuracy], seconds: 45 },
    settings: () => [universalTags],
    parts: sentenceParts(["ud_zh_gsdsimp/zh_gsdsimp-ud-dev.conllu.gz", "ud_zh_gsdsimp/zh_gsdsimp-ud-test.conllu.gz"]),
  }),
  answered({
    ...{ ...chinese, name: "drcd", title: "DRCD's development set, every fifth article held out", numEpochs: 2 },
    ...{ recipe: "answer-cmrc", parts: questionParts("drcd/DRCD_dev.json.gz", 5) },
    ...{ most: { train: 700, eval: 300 }, seconds: 200 },
  }),
  answered({
    ...{ ...chinese, name: "cmrc", title: "CMRC 2018's development set, every fifth article held out", numEpochs: 2 },
    ...{ recipe: "answer-cmrc", parts: questionParts("cmrc2018/cmrc2018_dev.json.gz", 5) },
    ...{ most: { train: 700, eval: 300 }, seconds: 200 },
  }),
  single({
    ...{
      ...dna,
      name: "promoters",
      title: "DNA, promoters of E. coli, every tenth held out",
      numEpochs: 3,
      seconds: 75,
    },
    ...{ figures: [accuracy, matthews], parts: promoters, settings: symbols, symbolsPerToken: 3 },
  }),
  single({
    ...{ ...dna, name: "splice", title: "DNA, splice junctions, every tenth held out", numEpochs: 5, seconds: 55 },
    ...{ figures: [accuracy, matthews], parts: splice, settings: symbols, symbolsPerToken: 3 },
  }),
];
