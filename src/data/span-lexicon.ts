/** @file Spans as a tree over token ids, found in token sequences whatever the tokenizer. */
import { createHash } from "node:crypto";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { formatSpans, type SpanEntry, type SpanKind } from "./span-file.ts";

/** Places [start, end) of a span in a sequence. */
export type TokenSpan = readonly [start: number, end: number];

/** Bits of a node at which spans end. */
const bitOf: Readonly<Record<SpanKind, number>> = { phrase: 1, entity: 2 };
/** Shift of the bits of spans that need no word boundaries around them. */
const ANYWHERE = 2;

/** A token sequence that spans begin with. */
interface Node {
  next: Map<number, Node> | undefined;
  ends: number;
}

/** Scripts that put no spaces between words: spans may begin and end at any token. */
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;

/**
 * Texts that belong together, as token sequences of one tokenizer. Tokenized as the text itself, with and without a space
 * before it, they are found in shards as they are.
 */
export class SpanLexicon {
  /** Entries that the tokenizer spells without unknown tokens. */
  readonly numEntries: Readonly<Record<SpanKind, number>>;
  /** Names the entries, in any order. */
  readonly hash: string;
  private readonly root: Node = { next: undefined, ends: 0 };

  private constructor(entries: readonly SpanEntry[], numEntries: Readonly<Record<SpanKind, number>>) {
    this.numEntries = numEntries;
    const lines = entries.map(({ text, kind }) => formatSpans([{ text, kind, count: 0 }])).sort();
    this.hash = createHash("sha256").update(lines.join("")).digest("hex");
  }

  /** Entries that hold special or unknown tokens are left out. */
  static async compile(entries: readonly SpanEntry[], tokenizer: Tokenizer): Promise<SpanLexicon> {
    const specials = new Set(tokenizer.specialIds);
    const plain = await tokenizer.encodeIds(entries.map(({ text }) => text));
    const spaced = await tokenizer.encodeIds(entries.map(({ text }) => ` ${text}`));
    const numEntries = { phrase: 0, entity: 0 };
    const lexicon = new SpanLexicon(entries, numEntries);
    entries.forEach(({ text, kind }, i) => {
      const bits = bitOf[kind] << (unspaced.test(text) ? ANYWHERE : 0);
      const spellings = [plain[i]!.ids, spaced[i]!.ids].filter(
        (ids) => ids.length > 0 && ids.every((id) => !specials.has(id)),
      );
      for (const ids of spellings) lexicon.add(ids, bits);
      if (spellings.length > 0) numEntries[kind]++;
    });
    return lexicon;
  }

  /**
   * The spans of one kind in a sequence: at every place the longest that begins there, from left to right and apart. They
   * begin where a word does and end where one ends, but for scripts without spaces.
   * @param wordStarts for each token 1 where a word begins
   */
  match(tokens: ArrayLike<number>, wordStarts: ArrayLike<number>, kind: SpanKind): TokenSpan[] {
    const spans: TokenSpan[] = [];
    const isEdge = (place: number): boolean => place >= tokens.length || wordStarts[place] === 1;
    for (let start = 0; start < tokens.length; ) {
      let node: Node | undefined = this.root;
      let end = start;
      for (let at = start; at < tokens.length; at++) {
        node = node.next?.get(tokens[at]!);
        if (node === undefined) break;
        const isWhole = (node.ends & bitOf[kind]) !== 0 && isEdge(start) && isEdge(at + 1);
        if (isWhole || (node.ends & (bitOf[kind] << ANYWHERE)) !== 0) end = at + 1;
      }
      if (end > start) spans.push([start, end]);
      start = Math.max(end, start + 1);
    }
    return spans;
  }

  private add(ids: ArrayLike<number>, bits: number): void {
    let node = this.root;
    for (let i = 0; i < ids.length; i++) {
      node.next ??= new Map();
      let child = node.next.get(ids[i]!);
      if (child === undefined) {
        child = { next: undefined, ends: 0 };
        node.next.set(ids[i]!, child);
      }
      node = child;
    }
    node.ends |= bits;
  }
}
