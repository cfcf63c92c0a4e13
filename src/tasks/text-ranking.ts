/** @file The task: which of a query's candidates answers it. */
import { ConfigError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import type { PlannedBatch } from "../data/row-plan.ts";
import { statisticDtype } from "../ir/dtype.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { bertFraming } from "../models/framing.ts";
import type { Drawn } from "../objectives/objective.ts";
import { integers, roomFor } from "../objectives/row-batch.ts";
import { compare, convert, mul, select } from "../tensor/elementwise.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { gather, reshape } from "../tensor/movement.ts";
import { sum } from "../tensor/reduction.ts";
import { textBatch } from "./classification-batch.ts";
import { type RankingData, type RelevantText, readRanked } from "./ranking-data.ts";
import { type RankingResult, rankingFigures, rankingResult, rankingTrainingFigures } from "./ranking-evaluation.ts";
import { columnList } from "./table-text.ts";
import { classificationLogits } from "./text-classification.ts";
import { type TextTask, type TextTaskOptions, type TextTaskSettings, textTaskIssues } from "./text-task.ts";

export interface TextRankingOptions extends TextTaskOptions {
  /** The label of candidates that answer their query; `1` by default. All others do not. */
  readonly relevantLabel?: string | undefined;
  /** Most candidates of a query that a step compares, the relevant one included; 8 by default. */
  readonly maxCandidates?: number | undefined;
  /** Factor γ of the scores in the loss; 1 by default, as the authors have it. */
  readonly gamma?: number | undefined;
}

/** All options of the task, with their values. */
export interface TextRankingSettings extends TextTaskSettings {
  readonly relevantLabel: string;
  readonly maxCandidates: number;
  readonly gamma: number;
}

/** A task of candidates. A batch counts relevant candidates; their rivals come with them. */
export interface TextRanking extends TextTask<RankingData, RankingResult> {
  readonly name: "textRanking";
  readonly settings: TextRankingSettings;
  collate(drawn: readonly Drawn<RelevantText>[], seed: number, layout?: PlannedBatch): Batch;
}

/** A score whose exponential is 0 in f32. */
const BLOCKED = -10_000;

function resolve(options: TextRankingOptions): TextRankingSettings {
  const { tokenizer, maxSeqLength = 128, labelColumn = "label", packed = true } = options;
  const { relevantLabel = "1", maxCandidates = 8, gamma = 1 } = options;
  const textColumns = columnList(options.textColumns ?? "text");
  const issues = textTaskIssues({ maxSeqLength, textColumns, labelColumn });
  if (textColumns.length === 1) {
    const message = `must be two columns, of the query and of the candidate; got ${textColumns[0]}.`;
    issues.push({ path: "textColumns", message, code: "CONFIG_RANGE" });
  }
  if (!(Number.isInteger(maxCandidates) && maxCandidates >= 2)) {
    const message = `must be a whole number ≥ 2; got ${maxCandidates}.`;
    issues.push({ path: "maxCandidates", message, code: "CONFIG_RANGE" });
  }
  if (!(gamma > 0 && Number.isFinite(gamma))) {
    issues.push({ path: "gamma", message: `must be above 0; got ${gamma}.`, code: "CONFIG_RANGE" });
  }
  if (issues.length > 0) throw new ConfigError("textRanking", issues);
  return { tokenizer, maxSeqLength, textColumns, labelColumn, packed, relevantLabel, maxCandidates, gamma };
}

/** Rivals that a step compares; others each time where there are too many. */
function rivalsOf({ example, epoch, item }: Drawn<RelevantText>, seed: number, most: number) {
  const { rivals } = example;
  if (rivals.length <= most) return rivals;
  const order = Uint32Array.from(rivals.keys());
  new Random(seed, "rivals", epoch, item).shuffle(order);
  return Array.from(order.subarray(0, most), (i) => rivals[i]!);
}

/**
 * Ranking of a query's candidates, from tables with a query and a candidate a row.
 *
 * The loss term is `ranking`: nats of a relevant candidate under a softmax over γ · scores of it and of its query's other
 * candidates. Scores lie in (0, 1); the network's head makes them so, which is why `finetuneTogether` learns it.
 * @throws {ConfigError} all problems together
 * @source Liu et al. 2019 §3.1 and (8), arXiv:1901.11504
 */
export function textRanking(options: TextRankingOptions): TextRanking {
  const settings = resolve(options);
  const { tokenizer, maxSeqLength, packed, maxCandidates, gamma } = settings;
  return {
    name: "textRanking",
    settings,
    figures: rankingFigures,
    read: (source, { framing = bertFraming } = {}) => readRanked(source, { ...settings, framing }),
    collate: (drawn, seed, layout) => {
      const groups = drawn.map((own) => [own.example, ...rivalsOf(own, seed, maxCandidates - 1)]);
      const batch = textBatch(groups.flat(), { maxSeqLength, packed, padId: tokenizer.special.pad, layout });
      const room = roomFor(groups.length);
      const candidates = new Int32Array(room * maxCandidates).fill(-1);
      const relevant = new Int32Array(room).fill(UNSCORED);
      let at = 0;
      groups.forEach((group, query) => {
        relevant[query] = 0;
        group.forEach((_, i) => {
          candidates[query * maxCandidates + i] = at++;
        });
      });
      const tensors = {
        ...batch.tensors,
        candidates: integers(candidates, [candidates.length]),
        relevant: integers(relevant, [room]),
      };
      return { ...batch, tensors, counts: { queries: groups.length } };
    },
    loss: (model, context, batch) => {
      const logits = classificationLogits(model, context, batch);
      const scores = reshape(convert(logits, statisticDtype(logits.dtype)), [-1]);
      const isThere = compare("ge", batch.candidates!, 0);
      const own = mul(gather(scores, select(isThere, batch.candidates!, 0)), gamma);
      const compared = reshape(select(isThere, own, BLOCKED), [-1, maxCandidates]);
      const losses = crossEntropy(compared, batch.relevant!);
      return { terms: { ranking: { sum: sum(losses), count: "queries", weight: 1 } }, metrics: {} };
    },
    result: (data, logits) => rankingResult(data, logits, gamma),
    trainingFigures: rankingTrainingFigures,
  };
}
