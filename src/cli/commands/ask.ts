/** @file `firth ask`: answers to questions from an index. */
import process from "node:process";
import { createInterface } from "node:readline/promises";
import { type Command, InvalidArgumentError } from "commander";
import { type FaqAnswer, type FaqBot, openFaqBot } from "../../api/faq-bot.ts";
import { withIndex } from "../../api/vector-index.ts";
import { chunksOf } from "../../data/chunk.ts";
import { type Given, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import type { Session } from "../session.ts";
import {
  askedText,
  askFields,
  askTable,
  CHUNK,
  columnOf,
  computingOptions,
  givenReranker,
  openingOptions,
  parseCount,
  sayUnfinished,
  sourceOf,
} from "./index-option.ts";

/** Candidates that are told beside the answer. */
const SHOWN = 3;

interface Showing {
  /** Field of an entry that is the answer; the text that was searched by when left out. */
  readonly answerField: string | undefined;
  readonly shown: number;
}

/** What an entry answers with. */
function answerOf({ fields, text }: FaqAnswer["candidates"][number], answerField: string | undefined): unknown {
  const value = answerField === undefined ? fields.answer : fields[answerField];
  return value ?? text;
}

/** An answer as programs read it. */
function record({ answer, candidates }: FaqAnswer, { answerField, shown }: Showing) {
  const entry = (found: FaqAnswer["candidates"][number]) => ({
    id: found.id,
    answer: answerOf(found, answerField),
    text: found.text,
    score: found.score,
    similarity: found.similarity,
  });
  return { answer: answer === null ? null : entry(answer), candidates: candidates.slice(0, shown).map(entry) };
}

/** A text on one line, cut where it is long. */
function lineOf(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, " ");
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}

/** An answer as people read it. */
function answerText(found: FaqAnswer, { answerField, shown }: Showing): string {
  const { answer, candidates } = found;
  const said = answer === null ? "No answer." : String(answerOf(answer, answerField)).trim();
  // What was found by, where the answer is another field.
  const by = answer === null || answer.text.trim() === said ? "" : `: ${lineOf(answer.text)}`;
  const head = answer === null ? said : `${said}\n  [score ${answer.score.toFixed(3)}, ${answer.id}${by}]`;
  const others = candidates.filter((entry) => entry !== answer).slice(0, shown - 1);
  const lines = others.map(({ id, text, score }) => `  ${score.toFixed(3)}  ${id}  ${lineOf(text)}`);
  return [head, ...(lines.length === 0 ? [] : [answer === null ? "Nearest:" : "Also:", ...lines])].join("\n");
}

async function interactive(session: Session, bot: FaqBot, showing: Showing): Promise<void> {
  const isTerminal = process.stdin.isTTY === true;
  const output = isTerminal ? { output: process.stderr } : {};
  const reader = createInterface({ input: process.stdin, ...output, prompt: isTerminal ? "> " : "" });
  if (isTerminal) session.say("Ask a question; an empty line or Ctrl-D ends.");
  reader.prompt();
  for await (const line of reader) {
    if (line.trim() === "") break;
    const [found] = await bot.ask([line]);
    await session.line(
      session.json ? JSON.stringify({ question: line, ...record(found!, showing) }) : answerText(found!, showing),
    );
    reader.prompt();
  }
  reader.close();
}

/** The questions of a table, answered as JSON lines. */
async function answerTable(
  session: Session,
  bot: FaqBot,
  given: Given,
  showing: Showing,
  reading: Parameters<typeof sourceOf>[1],
) {
  const source = sourceOf(given.data as string, reading);
  const column = columnOf(given.question as string);
  const as = given.as as string | undefined;
  const taken = as === undefined ? ["answer", "candidates"].filter((name) => name !== column) : [as];
  for await (const rows of chunksOf(source.rows(), CHUNK)) {
    const asked = rows.map((row) => askedText(row, column, taken, source.name));
    const found = await bot.ask(asked);
    for (const [i, { fields }] of rows.entries()) {
      const own = record(found[i]!, showing);
      await session.line(JSON.stringify({ ...fields, ...(as === undefined ? own : { [as]: own }) }));
    }
  }
}

function parseThreshold(text: string): number | null {
  if (text === "none") return null;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw new InvalidArgumentError("must be a number, or none.");
  return value;
}

/** `firth ask INDEX [QUESTION...]`. */
export function askCommand(command: Command): Command {
  command
    .description(
      "answer questions from an index: in two stages with a re-ranker, and with “no answer” below a threshold",
    )
    .argument("<index>", "folder of an index")
    .argument("[questions...]", "questions; without any, and without --data, they are asked for one after the other")
    .option("-d, --data <file>", "table of questions, or - for JSON lines on standard input; written as JSON lines")
    .option("--question <column>", "column of the question", "question")
    .option(
      "--as <field>",
      "with --data: field for what is found; answer and candidates beside the row's own without it",
    )
    .option("--reranker <folder>", "a cross-encoder for the second stage: a classifier of pairs")
    .option("--positive <label>", "class of the re-ranker that says that a text answers; its last one")
    .option("--candidates <number>", "entries that the index gives; 50 with a re-ranker, 10 without", parseCount)
    .option("--threshold <score>", "least score of an answer, or none; that kept with the index", parseThreshold)
    .option("--answer <field>", "field of an entry that is the answer; answer, or else the text that is searched by")
    .option("-k, --count <number>", "candidates shown", parseCount, SHOWN)
    .option("--exact", "compare all entries, also where there is an index of nearest neighbours")
    .option("-m, --model <folder>", "the index's model, where it is not at its place any more");
  addFieldOptions(command, askFields);
  return runs(command, async (session, given, [folder, ...questions]) => {
    const settings = askTable.resolve(fieldValues(given, askFields));
    await withIndex(folder!, await openingOptions(session, given, settings), async (index) => {
      await sayUnfinished(session, index);
      const bot = await openFaqBot(index, {
        ...computingOptions(session, settings),
        ...(await givenReranker(given)),
        positiveLabel: given.positive as string | undefined,
        numCandidates: given.candidates as number | undefined,
        isExact: given.exact === true,
        ...(given.threshold === undefined ? {} : { threshold: given.threshold as number | null }),
      });
      const { threshold } = await index.info();
      if (threshold !== null && given.threshold === undefined && threshold.reranker !== bot.reranker) {
        const whose = threshold.reranker === null ? "cosines" : `the re-ranker ${threshold.reranker}`;
        session.say(`The threshold of the index is for scores of ${whose}: every question is answered.`);
      }
      const showing = { answerField: given.answer as string | undefined, shown: given.count as number };
      try {
        if (given.data !== undefined) await answerTable(session, bot, given, showing, settings);
        else if (questions.length === 0) await interactive(session, bot, showing);
        for (const found of questions.length === 0 ? [] : await bot.ask(questions)) {
          const { question } = found;
          session.result({ question, ...record(found, showing) }, answerText(found, showing));
        }
      } finally {
        await bot.dispose();
      }
    });
  });
}
