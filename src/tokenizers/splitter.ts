/** Takes words unit by unit. */
export interface WordSink {
  /** Where the units of a word are put; a longer word is given with its true length. */
  readonly units: Uint16Array;
  word(length: number, hash: number): void;
}

/** Takes words as strings, and where each one starts in the text. */
export type WordVisit = (word: string, start: number) => void;

/** Splits texts into the words whose pieces do not depend on their neighbours. */
export interface Splitter {
  /**
   * Gives every word of a text to a sink, without strings and places.
   * @returns false where the text needs {@link Splitter.forEachWord}; the words given so far are then void
   */
  scan(text: string, sink: WordSink): boolean;
  /**
   * Calls `visit` with every word of a text, in order.
   * @returns whether every unit of a word stands for one unit of the text, so that the starts given to `visit` hold
   */
  forEachWord(text: string, visit: WordVisit): boolean;
}
