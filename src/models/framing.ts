/** @file How families put special tokens around texts. */

/** A special token by what it does in a sequence. */
export type FrameRole = "cls" | "sep" | "start" | "delimiter" | "extract";

/** Special tokens around texts 0 and 1, in their order. */
export type FrameTemplate = readonly (FrameRole | 0 | 1)[];

/** What one text looks like to a network, and two that are read together. */
export interface Framing {
  readonly single: FrameTemplate;
  readonly pair: FrameTemplate;
  /** Whether the second text and what follows it have token type 1. */
  readonly typesSecond: boolean;
}

/** `[CLS] A [SEP] B [SEP]`. @source Devlin et al. 2019 §3, arXiv:1810.04805; Lan et al. 2020 §3.1, arXiv:1909.11942 */
export const bertFraming: Framing = {
  single: ["cls", 0, "sep"],
  pair: ["cls", 0, "sep", 1, "sep"],
  typesSecond: true,
};

/** `<s> A </s></s> B </s>`. @source the authors' repository of Liu et al. 2019, arXiv:1907.11692; BART is the same */
export const robertaFraming: Framing = {
  single: ["cls", 0, "sep"],
  pair: ["cls", 0, "sep", "sep", 1, "sep"],
  typesSecond: false,
};

/** Start, A, delimiter, B, extract: the vector of the last token sums up. @source Radford et al. 2018 §3.3 */
export const gptFraming: Framing = {
  single: ["start", 0, "extract"],
  pair: ["start", 0, "delimiter", 1, "extract"],
  typesSecond: false,
};
