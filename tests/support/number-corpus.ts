/** @file Corpora whose tokens say where they stand: a text spells its ids. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareCorpus } from "../../src/data/prepare-corpus.ts";
import { ShardedCorpus } from "../../src/data/sharded-corpus.ts";
import { textDocuments } from "../../src/data/source.ts";
import type { Tokenizer } from "../../src/tokenizers/tokenizer.ts";
import { tinyTokenizer } from "./tiny-run.ts";

/** Ids are the numbers that a text spells; every third continues a word. */
export const numberTokenizer: Tokenizer = {
  ...tinyTokenizer,
  vocabSize: 1 << 20,
  hash: "numbers",
  encodeIds: async (texts) =>
    texts.map((text) => {
      const ids = Int32Array.from(text.split(" "), Number);
      return { ids, wordStarts: Uint8Array.from(ids, (id) => Number(id % 3 !== 2)) };
    }),
};

/** Corpora of one test file, each in a folder of its own; `dispose` closes and removes them all. */
export interface NumberCorpora {
  /** @param documents of sentences of numbers */
  make(documents: readonly (readonly string[])[], shardBytes?: number): Promise<ShardedCorpus>;
  dispose(): Promise<void>;
}

export async function numberCorpora(): Promise<NumberCorpora> {
  const folder = await mkdtemp(join(tmpdir(), "firth-numbers-"));
  const opened: ShardedCorpus[] = [];
  return {
    make: async (documents, shardBytes) => {
      const outputFolder = join(folder, `corpus-${opened.length}`);
      await prepareCorpus({
        ...{ source: textDocuments(documents), tokenizer: numberTokenizer, outputFolder },
        ...(shardBytes === undefined ? {} : { shardBytes }),
      });
      const corpus = await ShardedCorpus.open(outputFolder);
      opened.push(corpus);
      return corpus;
    },
    dispose: async () => {
      for (const corpus of opened) corpus.close();
      await rm(folder, { recursive: true });
    },
  };
}
