import type { FeedProgram } from "./feed-program.ts";
import type { LogitsProcessor } from "./logits-processor.ts";
import { largest, logSumExp, requireToken } from "./score.ts";
import type { EarlyStopping } from "./settings.ts";
import { type WritingPrompt, WritingRows } from "./writing-rows.ts";
import type { FinishReason, StopRule, WrittenTokens } from "./written-text.ts";

/** Far below every score: what must not be chosen, but may be where there is nothing else. */
const LOST = -1e9;

/** One prompt to go on from. */
export interface BeamRequest {
  readonly prompt: WritingPrompt;
  readonly maxNewTokens: number;
  /** Says why a text of the prompt ends, if it does. */
  readonly stop: StopRule;
}

export interface BeamChoice {
  readonly numBeams: number;
  readonly lengthPenalty: number;
  readonly earlyStopping: EarlyStopping;
  readonly numReturnSequences: number;
  readonly processors: readonly LogitsProcessor[];
  /** How many tokens may end a text: so many more candidates are looked at. */
  readonly numEosTokens: number;
  readonly signal?: AbortSignal | undefined;
}

/** A text that the search follows. */
interface Beam {
  /** New tokens. */
  readonly tokens: readonly number[];
  readonly logProbabilities: readonly number[];
  /** Sum of the logarithms of probabilities. */
  readonly score: number;
  /** Row that it goes on from. */
  readonly parent: number;
}

/** A text that ended. */
interface Finished extends Beam {
  /** `score` over its length to the power of the length penalty. */
  readonly finalScore: number;
  readonly finishReason: FinishReason;
}

/** The search for one prompt. */
interface Search {
  readonly request: BeamRequest;
  readonly index: number;
  readonly promptTokens: readonly number[];
  beams: readonly Beam[];
  /** The best so far, the best first; at most `numBeams`. */
  finished: readonly Finished[];
  /** Whether no text followed is thought able to become better than those finished. */
  isSettled: boolean;
}

const power = (length: number, penalty: number): number => length ** penalty;

/** Candidates to go on with: the best of all beams with all tokens. @param rowOf row of a beam */
function candidates(search: Search, rows: WritingRows, rowOf: (beam: number) => number, choice: BeamChoice): Beam[] {
  const count = Math.max(2, 1 + choice.numEosTokens) * choice.numBeams;
  const found: (Beam & { readonly order: number })[] = [];
  for (const [number, beam] of search.beams.entries()) {
    const row = rowOf(number);
    const scores = rows.logits(row);
    const total = logSumExp(scores);
    for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! - total;
    const tokens = [...search.promptTokens, ...beam.tokens];
    for (const process of choice.processors) process(scores, { tokens, numPromptTokens: search.promptTokens.length });
    for (const token of largest(scores, count)) {
      const logProbability = scores[token]!;
      found.push({
        tokens: [...beam.tokens, token],
        logProbabilities: [...beam.logProbabilities, logProbability],
        score: beam.score + logProbability,
        parent: row,
        order: number * scores.length + token,
      });
    }
  }
  found.sort((a, b) => b.score - a.score || a.order - b.order);
  requireToken(found[0]?.score);
  return found.slice(0, count);
}

/** One step of a search: which texts end, and which are followed on. */
function advance(search: Search, found: readonly Beam[], choice: BeamChoice): void {
  const { numBeams, lengthPenalty, earlyStopping } = choice;
  const { maxNewTokens, stop } = search.request;
  const ends = found.map(({ tokens }): FinishReason | undefined => {
    return stop(tokens) ?? (tokens.length >= maxNewTokens ? "length" : undefined);
  });
  const followed = found.map((beam, i) => (ends[i] === undefined ? beam : { ...beam, score: beam.score + LOST }));
  search.beams = followed.toSorted((a, b) => b.score - a.score).slice(0, numBeams);
  // Candidates beyond the beams are there to go on with; only the best may end a text.
  const isFull = search.finished.length === numBeams && earlyStopping === true;
  if (!isFull && !search.isSettled) {
    const ended = found.slice(0, numBeams).flatMap((beam, i): Finished[] => {
      const finishReason = ends[i];
      const finalScore = beam.score / power(beam.tokens.length, lengthPenalty);
      return finishReason === undefined ? [] : [{ ...beam, finalScore, finishReason }];
    });
    search.finished = [...search.finished, ...ended].sort((a, b) => b.finalScore - a.finalScore).slice(0, numBeams);
  }
  // Nothing better is to come: by the best length there can be ("never"), or by the length reached.
  const length = search.beams[0]!.tokens.length;
  const hoped = earlyStopping === "never" && lengthPenalty > 0 ? maxNewTokens : length;
  const best = search.beams[0]!.score / power(hoped, lengthPenalty);
  const worst = search.finished.length < numBeams ? LOST : search.finished.at(-1)!.finalScore;
  if (!(best > worst)) search.isSettled = true;
}

function isDone(search: Search, { numBeams, earlyStopping }: BeamChoice): boolean {
  if (search.isSettled || search.beams.every(({ score }) => score <= LOST / 2)) return true;
  return earlyStopping === true && search.finished.length === numBeams;
}

function results({ finished }: Search, count: number): WrittenTokens[] {
  return finished.slice(0, count).map(({ tokens, finishReason, logProbabilities, finalScore }) => {
    return { tokens, finishReason, logProbabilities, score: finalScore };
  });
}

/**
 * Beam search: follows the likeliest texts, and gives for each prompt the best that ended, the best first. Searches that
 * are done leave their rows.
 *
 * As transformers (5.x) counts: texts that end compete by score over length^penalty, only those among the best `numBeams`
 * candidates of a step may end, and `earlyStopping` says when nothing better is expected.
 */
export async function beamSearch(
  program: FeedProgram,
  requests: readonly BeamRequest[],
  choice: BeamChoice,
): Promise<WrittenTokens[][]> {
  const { numBeams } = choice;
  const found = new Array<WrittenTokens[]>(requests.length);
  let searches = requests.map((request, index): Search => {
    const start: Beam = { tokens: [], logProbabilities: [], score: 0, parent: index };
    const promptTokens = [...request.prompt.tokens];
    return { request, index, promptTokens, beams: [start], finished: [], isSettled: false };
  });
  const lengths = requests.map(({ prompt, maxNewTokens }) => {
    const before = program.network.order === "maskByMask" ? prompt.source.length : 0;
    return before + prompt.tokens.length + maxNewTokens;
  });
  const prompts = requests.map(({ prompt }) => prompt);
  const rows = await WritingRows.begin(program, prompts, Math.max(...lengths));
  try {
    // A prompt has one row until its beams differ.
    let beamsPerRow = 1;
    while (true) {
      choice.signal?.throwIfAborted();
      for (const [number, search] of searches.entries()) {
        const first = number * beamsPerRow;
        advance(
          search,
          candidates(search, rows, (beam) => first + beam, choice),
          choice,
        );
      }
      beamsPerRow = numBeams;
      for (const search of searches) {
        if (isDone(search, choice)) found[search.index] = results(search, choice.numReturnSequences);
      }
      searches = searches.filter(({ index }) => found[index] === undefined);
      if (searches.length === 0) return found;
      const beams = searches.flatMap(({ beams: followed }) => followed);
      rows.select(beams.map(({ parent }) => parent));
      await rows.feed(beams.map(({ tokens }) => [tokens.at(-1)!]));
    }
  } finally {
    rows.dispose();
  }
}
