import { internalError } from "../base/errors.ts";
import { capacityBucket, rowBucket, widthBucket } from "./bucket.ts";
import type { FeedShape } from "./feed.ts";
import type { FeedProgram } from "./feed-program.ts";
import { joinTokens } from "./join-tokens.ts";
import { KeyValueCache } from "./key-value-cache.ts";

/** What a row begins with. */
export interface WritingPrompt {
  /** What is looked at: the encoder's input, or what stands before the text (`maskByMask`); empty where there is none. */
  readonly source: Int32Array;
  /** What is continued. Not empty, but for `maskByMask`. */
  readonly tokens: Int32Array;
}

/** Room is made for the whole text at once where it is not more than this, or twice what is needed now. */
const ROOM_AT_ONCE = 256;

/**
 * Texts that are written side by side, each token computed once: keys and values of all tokens before are kept.
 * Rows have their own lengths; none waits for a longer one.
 */
export class WritingRows {
  private readonly program: FeedProgram;
  private readonly maxLength: number;
  private cache: KeyValueCache | undefined;
  private source: KeyValueCache | undefined;
  /** Tokens of each row that stand before what is written, in `maskByMask`. */
  private sourceLengths: readonly number[] = [];
  private scores: Float32Array = new Float32Array();
  private live = 0;

  /** @param maxLength longest row in tokens that will be asked for */
  private constructor(program: FeedProgram, maxLength: number) {
    this.program = program;
    this.maxLength = maxLength;
  }

  /** Reads the prompts. */
  static async begin(program: FeedProgram, prompts: readonly WritingPrompt[], maxLength: number): Promise<WritingRows> {
    const rows = new WritingRows(program, maxLength);
    const { order } = program.network;
    if (order === "maskByMask") {
      rows.sourceLengths = prompts.map(({ source }) => source.length);
      await rows.feed(prompts.map(({ source, tokens }) => joinTokens(source, tokens)));
    } else {
      const sources = order === "encoderDecoder" ? prompts.map(({ source }) => source) : undefined;
      await rows.feed(
        prompts.map(({ tokens }) => tokens),
        sources,
      );
    }
    return rows;
  }

  /** Rows that are written. */
  get numRows(): number {
    return this.live;
  }

  /** Scores of the next token of a row `[V]`, until the next feed; the caller may change them. */
  logits(row: number): Float32Array {
    const size = this.scores.length / rowBucket(this.live);
    return this.scores.subarray(row * size, (row + 1) * size);
  }

  /**
   * Appends tokens to each row and computes the scores of the next one.
   * @param sources of an encoder–decoder, in the first feed
   */
  async feed(tokens: readonly ArrayLike<number>[], sources?: readonly Int32Array[]): Promise<void> {
    const { program, cache } = this;
    const { network } = program;
    this.live = tokens.length;
    const rows = rowBucket(tokens.length);
    const lengths = Array.from({ length: rows }, (_, row) => cache?.lengths[row] ?? 0);
    const masks = network.maskId === undefined ? 0 : 1;
    const width = widthBucket(Math.max(...tokens.map(({ length }) => length)) + masks);
    const sourceWidth =
      sources === undefined
        ? (this.source?.capacity ?? 0)
        : Math.min(network.maxSourcePositions, capacityBucket(Math.max(...sources.map(({ length }) => length))));
    const shape: FeedShape = {
      rows,
      width,
      capacity: cache?.capacity ?? 0,
      sourceWidth,
      encodesSource: sources !== undefined,
    };
    const tensors = {
      ...this.fedTensors(tokens, lengths, shape),
      ...this.pastTensors(lengths, shape),
      ...sourceTensors(sources, this.source, shape),
    };
    const kept = { past: cache?.buffers ?? [], source: this.source?.buffers ?? [] };
    const { logits, fresh, freshSource } = await program.run(shape, tensors, kept);
    this.scores = logits;
    const counts = Array.from({ length: rows }, (_, row) => tokens[row]?.length ?? 0);
    this.cache ??= new KeyValueCache(program.backend, program.layout);
    const needed = Math.max(...counts.map((count, row) => lengths[row]! + count));
    if (needed > this.cache.capacity || rows !== this.cache.numRows) {
      const wanted = Math.min(this.maxLength, Math.max(ROOM_AT_ONCE, 2 * needed));
      this.cache.resize(rows, capacityBucket(Math.max(needed, wanted)));
    }
    this.cache.append(fresh, counts);
    if (sources === undefined) return;
    this.source = new KeyValueCache(program.backend, program.layout);
    this.source.resize(rows, sourceWidth);
    this.source.append(
      freshSource,
      Array.from({ length: rows }, (_, row) => sources[row]?.length ?? 0),
    );
  }

  private fedTensors(
    tokens: readonly ArrayLike<number>[],
    lengths: readonly number[],
    { rows, width }: FeedShape,
  ): Record<string, Int32Array> {
    const { order, maskId, segments } = this.program.network;
    const [inputIds, sequenceIds, positionIds, tokenTypeIds, attentionRanks] = Array.from(
      { length: 5 },
      () => new Int32Array(rows * width),
    ) as [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array];
    const places = new Int32Array(rows);
    tokens.forEach((fed, row) => {
      const count = fed.length + (maskId === undefined ? 0 : 1);
      if (count === 0) throw internalError("a row is fed nothing");
      const sourceLength = order === "maskByMask" ? this.sourceLengths[row]! : 0;
      const written = sourceLength > 0 ? segments.target : segments.alone;
      for (let i = 0; i < count; i++) {
        const [place, position] = [row * width + i, lengths[row]! + i];
        const isSource = position < sourceLength;
        inputIds[place] = fed[i] ?? maskId!;
        sequenceIds[place] = 1;
        positionIds[place] = position;
        tokenTypeIds[place] = isSource ? segments.source : written;
        attentionRanks[place] = this.rank(position, sourceLength);
      }
      places[row] = row * width + count - 1;
    });
    return { inputIds, sequenceIds, positionIds, tokenTypeIds, attentionRanks, places };
  }

  private pastTensors(lengths: readonly number[], { rows, capacity }: FeedShape): Record<string, Int32Array> {
    if (capacity === 0) return {};
    const [pastIds, pastRanks] = [new Int32Array(rows * capacity), new Int32Array(rows * capacity)];
    lengths.forEach((length, row) => {
      const sourceLength = this.sourceLengths[row] ?? 0;
      for (let i = 0; i < length; i++) {
        pastIds[row * capacity + i] = 1;
        pastRanks[row * capacity + i] = this.rank(i, sourceLength);
      }
    });
    return { pastIds, pastRanks };
  }

  /** Places; but all of a source before what is written is one. */
  private rank(position: number, sourceLength: number): number {
    return position < sourceLength ? 0 : position - Math.max(0, sourceLength - 1);
  }

  /** Row r goes on where row `parents[r]` is; afterwards there are as many rows as `parents` has. */
  select(parents: readonly number[]): void {
    const rows = rowBucket(parents.length);
    const size = this.scores.length / rowBucket(this.live);
    const scores = new Float32Array(rows * size);
    parents.forEach((parent, row) => {
      scores.set(this.scores.subarray(parent * size, (parent + 1) * size), row * size);
    });
    this.scores = scores;
    for (const cache of [this.cache, this.source]) {
      if (cache === undefined) continue;
      if (rows > cache.numRows) cache.resize(rows, cache.capacity);
      cache.select(parents);
      if (rows < cache.numRows) cache.resize(rows, cache.capacity);
    }
    this.sourceLengths = parents.map((parent) => this.sourceLengths[parent] ?? 0);
    this.live = parents.length;
  }

  dispose(): void {
    this.cache?.dispose();
    this.source?.dispose();
  }
}

/** Numbers of the source's inputs. */
function sourceTensors(
  sources: readonly Int32Array[] | undefined,
  kept: KeyValueCache | undefined,
  { rows, sourceWidth }: FeedShape,
): Record<string, Int32Array> {
  if (sourceWidth === 0) return {};
  const sourceIds = new Int32Array(rows * sourceWidth);
  const lengths = sources?.map(({ length }) => length) ?? kept!.lengths;
  lengths.forEach((length, row) => {
    sourceIds.fill(1, row * sourceWidth, row * sourceWidth + length);
  });
  if (sources === undefined) return { sourceIds };
  const sourceInputIds = new Int32Array(rows * sourceWidth);
  sources.forEach((source, row) => {
    sourceInputIds.set(source, row * sourceWidth);
  });
  return { sourceIds, sourceInputIds };
}
