import type { Tokenizer } from "./tokenizer.ts";

/** One text as the tokenizer sees it. */
export interface SampleEncoding {
  readonly text: string;
  readonly tokens: readonly string[];
  readonly ids: readonly number[];
}

/** How a tokenizer fits some texts. */
export interface TokenizerReport {
  readonly vocabSize: number;
  readonly hash: string;
  readonly specialTokens: readonly { readonly id: number; readonly token: string }[];
  readonly numTexts: number;
  readonly numWords: number;
  readonly numPieces: number;
  /** Pieces per word; 1 is best, 0 without words. */
  readonly fertility: number;
  /** Share of words that are the unknown token, in [0, 1]. */
  readonly unknownRate: number;
  /** Characters (code points, white space included) per piece; 0 without pieces. */
  readonly charactersPerPiece: number;
  /** Share of words that are one piece, in [0, 1]. */
  readonly wholeWordRate: number;
  /** Entries of the vocabulary that occur in the texts. */
  readonly usedEntries: number;
  /** The longest entries of the vocabulary, longest first. */
  readonly longestPieces: readonly string[];
  readonly samples: readonly SampleEncoding[];
}

/** What to report. */
export interface InspectOptions {
  /** Texts shown piece by piece; 3 by default. */
  readonly numSamples?: number;
  /** Entries shown as the longest; 10 by default. */
  readonly numLongest?: number;
}

/** Texts encoded at a time. */
const BATCH = 1_000;

function longestEntries(tokenizer: Tokenizer, count: number): string[] {
  const special = new Set(tokenizer.specialIds);
  const entries: { token: string; length: number }[] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    const token = tokenizer.idToToken(id);
    if (token !== undefined && !special.has(id))
      entries.push({ token, length: [...token.replace(/^(##|\u0120|\u2581)|<\/w>$/g, "")].length });
  }
  return entries
    .sort((a, b) => b.length - a.length)
    .slice(0, count)
    .map(({ token }) => token);
}

/**
 * Statistics of a tokenizer on texts.
 * @param texts read once, in batches: memory does not grow with them
 */
export async function inspectTokenizer(
  tokenizer: Tokenizer,
  texts: AsyncIterable<string> | Iterable<string>,
  options: InspectOptions = {},
): Promise<TokenizerReport> {
  const { numSamples = 3, numLongest = 10 } = options;
  const used = new Uint8Array(tokenizer.vocabSize);
  const samples: SampleEncoding[] = [];
  let numTexts = 0;
  let numWords = 0;
  let numPieces = 0;
  let unknown = 0;
  let whole = 0;
  let characters = 0;
  const add = async (batch: readonly string[]): Promise<void> => {
    const encodings = await tokenizer.encodeIds(batch);
    encodings.forEach(({ ids, wordStarts }, index) => {
      const text = batch[index]!;
      numTexts++;
      numPieces += ids.length;
      for (const _ of text) characters++;
      for (let i = 0; i < ids.length; i++) {
        const id = ids[i]!;
        used[id] = 1;
        if (id === tokenizer.special.unk) unknown++;
        if (wordStarts[i] !== 1) continue;
        numWords++;
        const alone = i + 1 === ids.length || wordStarts[i + 1] === 1;
        if (alone && id !== tokenizer.special.unk) whole++;
      }
      if (samples.length < numSamples && ids.length > 0) {
        const list = Array.from(ids);
        samples.push({ text, ids: list, tokens: list.map((id) => tokenizer.idToToken(id) ?? `<${id}>`) });
      }
    });
  };
  let batch: string[] = [];
  for await (const text of texts) {
    batch.push(text);
    if (batch.length < BATCH) continue;
    await add(batch);
    batch = [];
  }
  if (batch.length > 0) await add(batch);
  return {
    vocabSize: tokenizer.vocabSize,
    hash: tokenizer.hash,
    specialTokens: tokenizer.specialIds.flatMap((id) => {
      const token = tokenizer.idToToken(id);
      return token === undefined ? [] : [{ id, token }];
    }),
    numTexts,
    numWords,
    numPieces,
    fertility: numWords === 0 ? 0 : numPieces / numWords,
    unknownRate: numWords === 0 ? 0 : unknown / numWords,
    charactersPerPiece: numPieces === 0 ? 0 : characters / numPieces,
    wholeWordRate: numWords === 0 ? 0 : whole / numWords,
    usedEntries: used.reduce((sum, value) => sum + value, 0),
    longestPieces: longestEntries(tokenizer, numLongest),
    samples,
  };
}
