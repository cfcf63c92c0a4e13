import { foldSeed, mix32 } from "../base/random.ts";

/** One document: its sentences in order, none of them empty. */
export type TextDocument = readonly string[];

/** One part of a corpus that was divided by a hash of its documents. */
export interface SplitSide {
  readonly side: "train" | "eval";
  /** Share of the documents held out, in (0, 1). */
  readonly evalFraction: number;
  readonly seed: number;
}

/** Whether a document lies on this side: a function of its text alone, so equal documents are never parted. */
export function isOnSide(document: TextDocument, { side, evalFraction, seed }: SplitSide): boolean {
  const isHeld = hashDocument(document, seed) < evalFraction * 0x1_0000_0000;
  return isHeld === (side === "eval");
}

/** A 32-bit hash of a document's text and a seed. */
function hashDocument(document: TextDocument, seed: number): number {
  let h = foldSeed(seed, "split");
  for (const sentence of document) {
    for (let i = 0; i < sentence.length; i++) h = Math.imul(h ^ sentence.charCodeAt(i), 0x01000193);
    h = mix32(h + 1);
  }
  return h;
}
