/** @file A tiny world of questions and answers: "ask3 …" is answered by "say3 …". */
import { Random } from "../../src/base/random.ts";
import { type TableRow, TableSource } from "../../src/data/table.ts";
import { bertConfig } from "../../src/models/bert/config.ts";
import { bert } from "../../src/models/bert/family.ts";
import { WordPiece } from "../../src/tokenizers/wordpiece.ts";

export const numTopics = 10;
const topics = Array.from({ length: numTopics }, (_, i) => i);
const fillers = ["the", "a", "of", "to", "is", "my", "new", "old"];

export const pairedTokenizer = WordPiece.fromVocabulary([
  ...["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
  ...topics.flatMap((topic) => [`ask${topic}`, `say${topic}`]),
  ...fillers,
]);

/** A topic's word among a few others. */
export function textOf(word: string, random: Random): string {
  const words = Array.from({ length: 1 + random.nextInt(4) }, () => fillers[random.nextInt(fillers.length)]!);
  words.splice(random.nextInt(words.length + 1), 0, word);
  return words.join(" ");
}

export interface PairedRow {
  readonly id: string;
  readonly topic: number;
  readonly question: string;
  readonly answer: string;
}

/** Questions with answers, topics in turn. */
export function pairedRows(count: number, seed: number): PairedRow[] {
  const random = new Random(seed, "pairs");
  return Array.from({ length: count }, (_, i) => {
    const topic = i % numTopics;
    return { id: `${i}`, topic, question: textOf(`ask${topic}`, random), answer: textOf(`say${topic}`, random) };
  });
}

/** A table in memory; lines count from 1. */
export function memoryTable(name: string, rows: readonly object[]): TableSource {
  return new TableSource(
    name,
    async function* (): AsyncGenerator<TableRow> {
      for (const [i, fields] of rows.entries()) yield { fields: fields as TableRow["fields"], line: i + 1 };
    },
    {},
  );
}

/** A BERT of one or two small layers, with its tokenizer. */
export function pairedModel(seed = 1, hiddenSize = 32) {
  const config = bertConfig({
    vocabSize: pairedTokenizer.vocabSize,
    hiddenSize,
    numHiddenLayers: 2,
    numAttentionHeads: 2,
    intermediateSize: 64,
    maxPositionEmbeddings: 32,
    hiddenDropoutProb: 0,
    attentionProbsDropoutProb: 0,
  });
  return { ...bert(config, { seed }), tokenizer: pairedTokenizer };
}
