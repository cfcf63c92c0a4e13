/** @file The real texts whose padding is counted: encoded with their special tokens, cut to the longest length. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { tsv } from "../../src/data/delimited.ts";
import { prepareCorpus } from "../../src/data/prepare-corpus.ts";
import type { ExampleStream } from "../../src/data/segment.ts";
import { nextSentencePairs, textRuns } from "../../src/data/segment-pairs.ts";
import { ShardedCorpus } from "../../src/data/sharded-corpus.ts";
import { joinSources } from "../../src/data/source.ts";
import { textFile } from "../../src/data/text-file.ts";
import { bertFraming } from "../../src/models/framing.ts";
import type { ClassificationExample } from "../../src/tasks/classification-data.ts";
import { encodeTexts, type TextInput } from "../../src/tasks/encode-text.ts";
import { type TextClassificationOptions, textClassification } from "../../src/tasks/text-classification.ts";
import type { Tokenizer } from "../../src/tokenizers/tokenizer.ts";

/** A task's texts: those it learns from and those it is evaluated on. */
export interface TextSet {
  readonly name: string;
  readonly maxSeqLength: number;
  readonly train: readonly ClassificationExample[];
  readonly held: readonly ClassificationExample[];
}

type Columns = Omit<TextClassificationOptions, "tokenizer" | "maxSeqLength">;

async function table(
  file: string,
  tokenizer: Tokenizer,
  maxSeqLength: number,
  columns: Columns,
): Promise<readonly ClassificationExample[]> {
  const task = textClassification({ tokenizer, maxSeqLength, ...columns });
  return (await task.read(tsv(file, { extraColumns: "ignore" }))).examples;
}

interface SquadFile {
  readonly data: readonly {
    readonly paragraphs: readonly {
      readonly context: string;
      readonly qas: readonly { readonly question: string }[];
    }[];
  }[];
}

/** Question and context of a SQuAD-like file, read as a pair; the label means nothing. */
async function questions(
  file: string,
  tokenizer: Tokenizer,
  maxSeqLength: number,
): Promise<readonly ClassificationExample[]> {
  const { data } = JSON.parse(gunzipSync(readFileSync(file)).toString("utf8")) as SquadFile;
  const inputs = data.flatMap(({ paragraphs }) =>
    paragraphs.flatMap(({ context, qas }) => qas.map(({ question }): TextInput => [question, context])),
  );
  const encoded = await encodeTexts({ tokenizer, framing: bertFraming, maxSeqLength }, inputs, (input) => {
    throw new Error(`${file}: question ${input} is empty`);
  });
  return encoded.map((text, i) => ({ ...text, label: i % 2 }));
}

/** Sets of the shared data, with the lengths that their recipes use. */
export async function textSets(data: string, english: Tokenizer, chinese: Tokenizer): Promise<readonly TextSet[]> {
  const sst2 = { textColumns: 0, labelColumn: 1 };
  const mrpc = { textColumns: ["#1 String", "#2 String"], labelColumn: "Quality" } as const;
  const qnli = { textColumns: ["question", "sentence"], labelColumn: "label" } as const;
  const qnliTexts = await table(join(data, "qnli/dev.tsv.gz"), english, 128, qnli);
  const squad = await questions(join(data, "squadshifts/new_wiki_v1.0.json.gz"), english, 384);
  const drcd = await questions(join(data, "drcd/DRCD_dev.json.gz"), chinese, 512);
  return [
    {
      name: "SST-2",
      maxSeqLength: 64,
      train: await table(join(data, "sst2/train.tsv.gz"), english, 64, sst2),
      held: await table(join(data, "sst2/dev.tsv"), english, 64, sst2),
    },
    {
      name: "MRPC",
      maxSeqLength: 128,
      train: await table(join(data, "mrpc/msr-para-train.tsv.gz"), english, 128, mrpc),
      held: await table(join(data, "mrpc/msr-para-val.tsv"), english, 128, mrpc),
    },
    { name: "QNLI", maxSeqLength: 128, train: qnliTexts, held: qnliTexts },
    { name: "SQuAD (new Wikipedia)", maxSeqLength: 384, train: squad, held: squad },
    { name: "DRCD (Chinese)", maxSeqLength: 512, train: drcd, held: drcd },
  ];
}

/** How examples are cut out of a corpus. */
export interface Cut {
  readonly maxSeqLength: number;
  readonly pair: "none" | "nextSentence";
  /** Examples of the training set are shortened at random, held-out ones are not. */
  readonly shorten: boolean;
}

/** Runs work with the examples of a corpus: WikiText-2's validation and test text. */
export async function withPretrainingExamples<T>(
  data: string,
  tokenizer: Tokenizer,
  work: (examples: (cut: Cut) => ExampleStream) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "firth-padding-"));
  try {
    const outputFolder = join(folder, "corpus");
    const files = ["valid.txt.gz", "test.txt.gz"].map((name) => textFile(join(data, "wikitext2", name)));
    await prepareCorpus({ source: joinSources(files), tokenizer, outputFolder });
    const corpus = await ShardedCorpus.open(outputFolder);
    try {
      return await work(({ maxSeqLength, pair, shorten }) => {
        const shortSequenceProbability = shorten ? 0.1 : 0;
        return pair === "none"
          ? textRuns(corpus, { maxTokens: maxSeqLength - 2, shortSequenceProbability })
          : nextSentencePairs(corpus, { maxTokens: maxSeqLength - 3, shortSequenceProbability });
      });
    } finally {
      corpus.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
