/** @file `firth index evaluate`: figures of an index on questions whose answers are known, and a threshold. */
import { type Command, InvalidArgumentError } from "commander";
import {
  evaluateRetrieval,
  type JudgedQuestion,
  type RetrievalEvaluation,
  readQuestions,
} from "../../api/evaluate-retrieval.ts";
import { openFaqBot } from "../../api/faq-bot.ts";
import { type VectorIndex, withIndex } from "../../api/vector-index.ts";
import { defineCommand, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { count, percent, table } from "../number-text.ts";
import type { Session } from "../session.ts";
import {
  askFields,
  askTable,
  columnOf,
  computingOptions,
  givenReranker,
  modelOption,
  openingOptions,
  parseCount,
  sayUnfinished,
  sourceOf,
} from "./index-option.ts";

/** What is told of a threshold. */
function thresholdRows({ threshold, heldOutThreshold: held }: RetrievalEvaluation): [string, string][] {
  const figures = ({
    precision,
    recall,
    f1,
    answered,
  }: Pick<typeof threshold, "precision" | "recall" | "f1" | "answered">) =>
    `precision ${precision.toFixed(4)}, recall ${recall.toFixed(4)}, F1 ${f1.toFixed(4)}, ${percent(answered)} answered`;
  const rows: [string, string][] = [["threshold", `${threshold.threshold.toPrecision(4)}: ${figures(threshold)}`]];
  if (held === undefined) return rows;
  const [lowest, highest] = held.thresholds.map((value) => value.toPrecision(4));
  return [
    ...rows,
    [
      "on other questions",
      `${figures(held)} (${held.numFolds} parts, each by the others' threshold, ${lowest} to ${highest})`,
    ],
  ];
}

function evaluationText(evaluation: RetrievalEvaluation): string {
  const { ranking, retrieval, latency, ...rest } = evaluation;
  const figures = ({ mrr, map, at }: RetrievalEvaluation["ranking"]): string =>
    [
      `MRR ${mrr.toFixed(4)}`,
      `MAP ${map.toFixed(4)}`,
      ...at.map(({ k, recall }) => `recall@${k} ${recall.toFixed(4)}`),
      `nDCG@10 ${at.at(-1)!.ndcg.toFixed(4)}`,
    ].join(", ");
  const isSame = JSON.stringify(ranking) === JSON.stringify(retrieval);
  return table([
    ["questions", `${count(rest.numQuestions)}, ${rest.numCandidates} candidates each`],
    ["found", figures(ranking)],
    ...(isSame ? [] : [["by vectors alone", figures(retrieval)] as const]),
    ["time a question", `median ${latency.median.toFixed(1)} ms, 95 % below ${latency.p95.toFixed(1)} ms`],
    ...thresholdRows(evaluation),
  ]);
}

/** Says which right answers cannot be found, and whether there are any: figures of a wrong column look like those of a bad index. */
async function sayUnknown(
  session: Session,
  index: VectorIndex,
  file: string,
  questions: readonly JudgedQuestion[],
): Promise<void> {
  const wanted = [...new Set(questions.flatMap(({ relevant }) => relevant))];
  if (wanted.length === 0)
    session.say(`${file}: no question has a right answer, so that there are no figures of order.`);
  const missing = new Set(await index.missing(wanted));
  for (const { relevant, line } of questions) {
    const first = relevant.find((id) => missing.has(id));
    if (first === undefined) continue;
    const share = `${count(missing.size)} of ${count(wanted.length)} right answers are not in the index`;
    session.say(`${file}: ${share} and count as not found; the first is ${JSON.stringify(first)} in line ${line}.`);
    return;
  }
}

interface Keeping {
  readonly precision: number | undefined;
  readonly file: string;
  readonly reranker: string | null;
  /** Whether it is asked for. */
  readonly isKept: boolean;
}

/** Keeps the threshold with the index, if that is asked for; says so where there is none as it was wanted. */
async function keepThreshold(
  session: Session,
  index: VectorIndex,
  { threshold: found, heldOutThreshold: held }: RetrievalEvaluation,
  { precision, file, reranker, isKept }: Keeping,
): Promise<void> {
  if (!Number.isFinite(found.threshold)) {
    session.say(`No answer is right: there is no threshold${isKept ? ", and none is kept" : ""}.`);
    return;
  }
  if (!found.isReached) {
    const best = `the highest there is, ${found.precision.toFixed(4)}${isKept ? ", is kept" : ""}`;
    session.say(`No threshold reaches a precision of ${precision}: ${best}.`);
  }
  if (!isKept) return;
  const wanted =
    precision === undefined ? "best F1" : `precision ${precision}${found.isReached ? "" : ", not reached,"}`;
  const heldOut = held && { precision: held.precision, answered: held.answered };
  await index.setThreshold({ value: found.threshold, reranker, aim: `${wanted} on ${file}`, heldOut });
}

function parsePrecision(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError("must be a number above 0, at most 1.");
}

export function evaluateCommand(): Command {
  const command = defineCommand("evaluate", "figures of an index on questions whose answers are known, and a threshold")
    .argument("<folder>", "folder of the index")
    .requiredOption("-d, --data <file>", "table of questions")
    .option("--question <column>", "column of the question", "question")
    .option("--relevant <column>", "column of the id, or list of ids, of what answers; empty where nothing does", "id")
    .option("--reranker <folder>", "a cross-encoder for the second stage: a classifier of pairs")
    .option("--positive <label>", "class of the re-ranker that says that a text answers; its last one")
    .option("--candidates <number>", "entries that the index gives", parseCount, 100)
    .option("--precision <share>", "choose the threshold for this precision instead of the best F1", parsePrecision)
    .option("--keep-threshold", "keep the threshold with the index: firth ask takes it")
    .option("--exact", "compare all entries, also where there is an index of nearest neighbours")
    .option(...modelOption);
  addFieldOptions(command, askFields);
  return runs(command, async (session, given, [folder]) => {
    const settings = askTable.resolve(fieldValues(given, askFields));
    const source = sourceOf(given.data as string, settings);
    const questions = await readQuestions(source, {
      questionColumn: columnOf(given.question as string),
      relevantColumn: columnOf(given.relevant as string),
    });
    const precision = given.precision as number | undefined;
    await withIndex(folder!, await openingOptions(session, given, settings), async (index) => {
      await sayUnfinished(session, index);
      await sayUnknown(session, index, source.name, questions);
      const bot = await openFaqBot(index, {
        ...computingOptions(session, settings),
        ...(await givenReranker(given)),
        positiveLabel: given.positive as string | undefined,
        numCandidates: given.candidates as number,
        isExact: given.exact === true,
        threshold: null,
      });
      try {
        const aim = precision === undefined ? "f1" : { precision };
        const evaluation = await session.watch({ label: "Asking", unit: "questions" }, (display) =>
          evaluateRetrieval(bot, questions, { aim, onProgress: (done) => display.update(done, questions.length) }),
        );
        await keepThreshold(session, index, evaluation, {
          ...{ precision, file: source.name, reranker: bot.reranker, isKept: given.keepThreshold === true },
        });
        session.result({ index: folder, data: source.name, ...evaluation }, evaluationText(evaluation));
      } finally {
        await bot.dispose();
      }
    });
  });
}
