/** @file Scores of the options of many questions, for which what they share is computed once. */
import type { Buffer } from "../backend/backend.ts";
import type { Batch } from "../data/batch.ts";
import type { HostTensor } from "../ir/dtype.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { integers, roomFor } from "../objectives/row-batch.ts";
import { BatchProgram } from "../train/batch-program.ts";
import { widthBucket } from "./bucket.ts";
import { cacheNames, feedTypes } from "./feed.ts";
import { FeedProgram } from "./feed-program.ts";
import { commonStart, groupTexts, type OptionGroup, type QuestionText } from "./option-group.ts";
import { type SharedPrefix, traceOptions } from "./option-trace.ts";
import { requireKnownIds } from "./prompt-encoder.ts";
import { requireScoring, SCORED_AT_ONCE, type TokenScorerOptions } from "./token-scorer.ts";

/** Fewest tokens that all questions must begin with alike for these to be worth a run of their own. */
const LEAST_PREFIX = 16;

/** Rows of a tensor that is filled place by place; what is not filled is 0, ids are padding. */
class Rows {
  readonly ids: Int32Array;
  private readonly sequenceIds: Int32Array;
  private readonly positions: Int32Array;
  private readonly shape: readonly [number, number];

  constructor(rows: number, width: number, padId: number) {
    const size = rows * width;
    this.ids = new Int32Array(size).fill(padId);
    [this.sequenceIds, this.positions] = [new Int32Array(size), new Int32Array(size)];
    this.shape = [rows, width];
  }

  /** Puts tokens into a row; gives the place of the first. */
  put(row: number, tokens: Int32Array, firstPosition: number): number {
    const at = row * this.shape[1];
    this.ids.set(tokens, at);
    this.sequenceIds.fill(1, at, at + tokens.length);
    for (let i = 0; i < tokens.length; i++) this.positions[at + i] = firstPosition + i;
    return at;
  }

  tensors(group: string): Record<string, HostTensor> {
    return {
      [`${group}Ids`]: integers(this.ids, this.shape),
      [`${group}SequenceIds`]: integers(this.sequenceIds, this.shape),
      [`${group}Positions`]: integers(this.positions, this.shape),
    };
  }
}

/** A list with room; what is not used is filled. */
function list(values: readonly number[], fill: number): HostTensor {
  const room = roomFor(values.length);
  const data = new Int32Array(room).fill(fill);
  data.set(values);
  return integers(data, [room]);
}

/** Where a score of a run's results belongs. */
interface Scored {
  readonly text: number;
  /** Number of the token among those of its text that are scored. */
  readonly token: number;
}

interface Planned {
  readonly batch: Batch;
  /** For the losses of options' first tokens, at their questions; and of the others, at the options. */
  readonly first: readonly Scored[];
  readonly further: readonly Scored[];
}

/**
 * Logarithms of probabilities of options' tokens, as a `TokenScorer` gives them, but without computing anything twice: the
 * tokens that all questions begin with (the examples of a few-shot prompt) once, those of a question once for all its
 * options, in whose rows stand their own tokens only. An encoder–decoder's questions are encoded once.
 */
export class OptionScorer {
  private readonly options: TokenScorerOptions;

  /** @throws {FirthError} MODEL_CANNOT_SCORE for networks that predict masks */
  constructor(options: TokenScorerOptions) {
    requireScoring(options.network);
    this.options = options;
  }

  /**
   * For each text the logarithms of probabilities (nats) of its scored tokens, in order.
   * @throws {DataError} PROMPT_TOKEN_UNKNOWN naming the text
   */
  async score(texts: readonly QuestionText[]): Promise<Float32Array[]> {
    const { network, batchSize } = this.options;
    for (const [i, { source, tokens }] of texts.entries()) {
      for (const ids of [source, tokens]) requireKnownIds(network, ids, `texts[${i}]`);
    }
    const results = texts.map(({ tokens, start }) => new Float32Array(tokens.length - start));
    const groups = groupTexts(texts, network.order);
    const prefixLength = this.prefixLength(texts, groups);
    const prefix = prefixLength === 0 ? undefined : await this.readPrefix(texts[0]!.tokens.subarray(0, prefixLength));
    const program = this.program(prefix);
    try {
      for (const part of batches(groups, batchSize)) {
        const { batch, first, further } = this.plan(part, prefixLength);
        const { firstLosses, furtherLosses } = (await program.run(batch)) as Readonly<Record<string, Float32Array>>;
        first.forEach(({ text, token }, i) => {
          results[text]![token] = -firstLosses![i]!;
        });
        further.forEach(({ text, token }, i) => {
          results[text]![token] = -furtherLosses![i]!;
        });
      }
    } finally {
      await program.dispose();
      await prefix?.dispose();
    }
    return results;
  }

  /** Tokens that all questions begin with alike, at least one of each left for itself; 0 where they do not pay. */
  private prefixLength(texts: readonly QuestionText[], groups: readonly OptionGroup[]): number {
    if (this.options.network.order !== "leftToRight" || groups.length < 2) return 0;
    const [{ tokens: first }] = texts as readonly [QuestionText, ...QuestionText[]];
    const alike = groups.map(({ tokens, shared }) => Math.min(commonStart(first, tokens), shared - 1));
    const length = Math.min(...alike);
    return length < LEAST_PREFIX ? 0 : length;
  }

  /** Keys and values of the prefix, in the engine. */
  private async readPrefix(
    tokens: Int32Array,
  ): Promise<SharedPrefix & { readonly buffers: ReadonlyMap<string, Buffer>; readonly dispose: () => Promise<void> }> {
    const { length } = tokens;
    const program = new FeedProgram(this.options);
    try {
      const shape = { rows: 1, width: length, capacity: 0, sourceWidth: 0, encodesSource: false };
      const zeros = Object.fromEntries(
        Object.entries(feedTypes(shape)).map(([name, { shape: dims }]) => {
          return [name, new Int32Array(dims.reduce((product, dim) => product * dim, 1))];
        }),
      );
      const places = Int32Array.from({ length }, (_, i) => i);
      const { fresh } = await program.run(
        shape,
        {
          ...{ ...zeros, inputIds: tokens, positionIds: places, attentionRanks: places },
          sequenceIds: new Int32Array(length).fill(1),
        },
        { past: [], source: [] },
      );
      const names = cacheNames("past", this.options.network.numLayers);
      const buffers = new Map(names.map((name, i) => [name, fresh[i]!]));
      return { length, layout: program.layout, buffers, dispose: () => program.dispose() };
    } catch (error) {
      await program.dispose();
      throw error;
    }
  }

  private program(
    prefix: (SharedPrefix & { readonly buffers: ReadonlyMap<string, Buffer> }) | undefined,
  ): BatchProgram {
    const { backend, store, network, policy } = this.options;
    return new BatchProgram({
      ...{ backend, store },
      fixed: ({ numPlaces }) => store.fixedFor?.(numPlaces),
      held: (name) => prefix!.buffers.get(name.slice("held.".length))!,
      trace: (batch) => traceOptions(batch, { network, store, policy, prefix }),
    });
  }

  /** Each question in a row of its own, each option in one of as many as the question with the most has. */
  private plan(groups: readonly OptionGroup[], prefixLength: number): Planned {
    const { padId, network } = this.options;
    const isDecoder = network.order === "encoderDecoder";
    const most = Math.max(...groups.map(({ texts }) => texts.length));
    const widest = (lengths: readonly number[]): number => widthBucket(Math.max(...lengths));
    const asked = groups.map(({ tokens, shared, source }) =>
      isDecoder ? source : tokens.subarray(prefixLength, shared),
    );
    const questions = new Rows(groups.length, widest(asked.map(({ length }) => length)), padId);
    const own = groups.map(({ texts, shared }) => texts.map(({ tokens }) => tokens.subarray(shared, -1)));
    const longest = Math.max(...own.flat().map(({ length }) => length));
    const options = longest === 0 ? undefined : new Rows(groups.length * most, widthBucket(longest), padId);
    const [first, further]: [Scored[], Scored[]] = [[], []];
    const [firstQuestions, firstLabels, questionPlaces]: [number[], number[], number[]] = [[], [], []];
    const [furtherLabels, optionPlaces]: [number[], number[]] = [[], []];
    groups.forEach(({ texts, shared }, group) => {
      const at = questions.put(group, asked[group]!, isDecoder ? 0 : prefixLength);
      questionPlaces.push(at + asked[group]!.length - 1);
      texts.forEach(({ number, tokens, start }, option) => {
        const row = options?.put(group * most + option, own[group]![option]!, shared) ?? 0;
        for (let token = start; token < tokens.length; token++) {
          const scored = { text: number, token: token - start };
          // A token's score stands at the one before it: an option's first may be its question's last.
          if (token === shared) {
            first.push(scored);
            firstQuestions.push(group);
            firstLabels.push(tokens[token]!);
          } else {
            further.push(scored);
            optionPlaces.push(row + token - 1 - shared);
            furtherLabels.push(tokens[token]!);
          }
        }
      });
    });
    const tensors: Record<string, HostTensor> = {
      ...questions.tensors(isDecoder ? "source" : "question"),
      ...options?.tensors("option"),
      ...(isDecoder
        ? {}
        : {
            questionPlaces: integers(Int32Array.from(questionPlaces), [questionPlaces.length]),
            firstQuestions: list(firstQuestions, 0),
            firstLabels: list(firstLabels, UNSCORED),
          }),
      ...(options === undefined
        ? {}
        : { optionPlaces: list(optionPlaces, 0), furtherLabels: list(furtherLabels, UNSCORED) }),
    };
    const numPlaces = questions.ids.length + (options?.ids.length ?? 0);
    const numTokens = [...asked, ...own.flat()].reduce((sum, { length }) => sum + length, 0);
    return { batch: { tensors, counts: {}, numSequences: groups.length, numTokens, numPlaces }, first, further };
  }
}

/** Questions of like size together: with as many options, of like length. */
function* batches(groups: readonly OptionGroup[], batchSize: number): Generator<OptionGroup[]> {
  const order = [...groups].sort((a, b) => {
    return b.texts.length - a.texts.length || b.source.length + b.shared - a.source.length - a.shared;
  });
  let part: OptionGroup[] = [];
  let scored = 0;
  for (const group of order) {
    const more = group.texts.reduce((sum, { tokens, start }) => sum + tokens.length - start, 0);
    if (part.length > 0 && (part.length === batchSize || scored + more > SCORED_AT_ONCE)) {
      yield part;
      [part, scored] = [[], 0];
    }
    part.push(group);
    scored += more;
  }
  if (part.length > 0) yield part;
}
