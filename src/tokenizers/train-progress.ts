/** Where the training of a tokenizer stands. */
export interface TrainProgress {
  /** Counting words; finding the first pieces (Unigram); merging pairs; weighing and dropping pieces (Unigram). */
  readonly phase: "count" | "seed" | "merge" | "prune";
  /** Texts counted, entries that the vocabulary has, or pieces that remain. */
  readonly done: number;
  /** Entries that the vocabulary shall have; undefined while counting. */
  readonly total: number | undefined;
}
