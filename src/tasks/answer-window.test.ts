import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Question } from "../data/question-file.ts";
import { bertFraming, gptFraming } from "../models/framing.ts";
import { WordPiece } from "../tokenizers/wordpiece.ts";
import { answerOf, type EndScores } from "./answer-span.ts";
import { type AnswerWindow, maxContextMarks, tokensOf, windowQuestions, windowRanges } from "./answer-window.ts";
import { isInsideWord } from "./word-boundary.ts";

const words = ["who", "?", "a", "b", "c", "d", "e", "f", "g", "h", "king", "##s", "中", "国"];
const tokenizer = WordPiece.fromVocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...words]);
const options = {
  tokenizer,
  framing: bertFraming,
  nullToken: "first",
  maxSeqLength: 10,
  docStride: 2,
  maxQueryLength: 8,
} as const;
const question = (context: string, answer?: string): Question => ({
  ...{ id: "q", question: "who?", context },
  answers: answer === undefined ? [] : [{ text: answer, start: context.indexOf(answer) }],
});
const read = (asked: Question, hasUnanswerable = false) =>
  windowQuestions({ name: "test", questions: [asked], hasUnanswerable }, options);

describe("windowRanges", () => {
  // A last window that is forgotten, one too many, or tokens between windows that no window has.
  it("covers every token, and ends with the text", () => {
    fc.assert(
      fc.property(
        fc.nat(60),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 30 }),
        (extra, room, stride) => {
          const numTokens = extra + 1;
          const ranges = windowRanges(numTokens, room, stride);
          const seen = new Set(
            ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i)),
          );
          expect(seen.size).toBe(numTokens);
          expect(ranges.filter(({ first, count }) => first + count === numTokens)).toHaveLength(1);
          const marks = maxContextMarks(ranges);
          const owners = new Int32Array(numTokens);
          ranges.forEach(({ first }, part) => {
            marks[part]!.forEach((mark, i) => {
              owners[first + i]! += mark;
            });
          });
          expect([...owners]).toEqual(new Array(numTokens).fill(1));
        },
      ),
    );
  });

  // By hand, from the definition: of windows 0–4, 2–6, 4–8 token 4 stands amid the second;
  // 3 and 5 have one token beside them in two windows, of which the earlier wins.
  it("marks the window that shows most around a token", () => {
    const marks = maxContextMarks(windowRanges(9, 5, 2));
    expect(marks.map((mark) => [...mark])).toEqual([
      [1, 1, 1, 1, 0],
      [0, 0, 1, 1, 0],
      [0, 0, 1, 1, 1],
    ]);
  });
});

describe("windowQuestions", () => {
  // Labels that forget the question before the text, or the part's offset.
  it("labels the answer's tokens in each window that holds all of it", async () => {
    const { windows } = await read(question("a b c kings d e f", "kings d"));
    // [CLS] who ? [SEP] and five of: a b c king ##s d e f
    expect(windows.map(({ range }) => range)).toEqual([
      { first: 0, count: 5 },
      { first: 2, count: 5 },
      { first: 4, count: 4 },
    ]);
    expect(windows.map(({ startLabel, endLabel }) => [startLabel, endLabel])).toEqual([
      [0, 0],
      [5, 7],
      [0, 0],
    ]);
  });

  // An answer that ends inside a word dropped, or one letter more taken.
  it("takes the whole of pieces that an answer touches", async () => {
    const { places } = await read(question("a kings b"));
    expect(tokensOf(places[0]!, 3, 4)).toEqual({ first: 1, last: 1 });
    expect(tokensOf(places[0]!, 3, 7)).toEqual({ first: 1, last: 2 });
    expect(tokensOf(places[0]!, 1, 2)).toBeUndefined();
    expect(tokensOf(places[0]!, 9, 12)).toBeUndefined();
  });

  // "Nobody said" learnt as "there is no answer".
  it("tells no answer from no label", async () => {
    expect((await read(question("a b"), false)).windows[0]!.startLabel).toBe(-100);
    expect((await read(question("a b"), true)).windows[0]!.startLabel).toBe(0);
    const absent = { ...question("a b"), answers: [{ text: "z", start: undefined }] };
    expect((await read(absent, true)).windows[0]!.startLabel).toBe(-100);
  });

  // Left-to-right networks see nothing at their first token.
  it("puts no answer where the network sums up", async () => {
    const source = { name: "test", questions: [question("a b")], hasUnanswerable: true };
    const { windows } = await windowQuestions(source, { ...options, framing: gptFraming, nullToken: "last" });
    expect(windows[0]!.startLabel).toBe(windows[0]!.tokens.length - 1);
  });

  it("refuses a question without tokens, and cuts a long one", async () => {
    await expect(read({ ...question("a"), question: "\u200b" })).rejects.toThrow(/question of "q" has no token/);
    const long = await windowQuestions(
      { name: "test", questions: [question("a")], hasUnanswerable: false },
      { ...options, maxQueryLength: 1 },
    );
    expect(long.numTruncated).toBe(1);
    expect(long.windows[0]!.tokens).toHaveLength(5);
  });
});

describe("answerOf", () => {
  const span = { maxAnswerLength: 3, numBest: 5, allowsNone: true, noneThreshold: 0 };
  const flat = (windows: readonly AnswerWindow[]): EndScores[] =>
    windows.map(({ tokens }) => ({
      starts: new Float32Array(tokens.length),
      ends: new Float32Array(tokens.length),
    }));

  // Every span by hand against the search: windows mixed up, ends before starts, lengths off by one.
  it("finds the best span of all windows", async () => {
    const context = "a b c kings d e f 中国 g";
    const { windows, places } = await read(question(context));
    fc.assert(
      fc.property(fc.infiniteStream(fc.integer({ min: -50, max: 50 })), (stream) => {
        const draw = () => stream.next().value as number;
        const scores = windows.map(({ tokens }) => ({
          starts: Float32Array.from(tokens, draw),
          ends: Float32Array.from(tokens, draw),
        }));
        let best = -1_000;
        windows.forEach(({ range, isMaxContext, secondStart }, w) => {
          for (let i = 0; i < range.count; i++) {
            for (let j = i; j < Math.min(range.count, i + 3); j++) {
              const score = scores[w]!.starts[secondStart + i]! + scores[w]!.ends[secondStart + j]!;
              // "kings" is two pieces, tokens 3 and 4: no answer begins with its second or ends with its first.
              if (range.first + i === 4 || range.first + j === 3) continue;
              if (isMaxContext[i] === 1) best = Math.max(best, score);
            }
          }
        });
        const answer = answerOf({ context, places: places[0]! }, windows, scores, span);
        expect(answer.span.score).toBe(best);
        expect(context.slice(answer.span.start, answer.span.end)).toBe(answer.span.text);
        const nulls = windows.map(({ nullPlace }, w) => scores[w]!.starts[nullPlace]! + scores[w]!.ends[nullPlace]!);
        expect(answer.noneScore).toBe(Math.min(...nulls) - best);
        expect(answer.text === "").toBe(answer.noneScore > 0);
        expect(answer.best.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 12);
        expect(new Set(answer.best.map(({ text }) => text)).size).toBe(answer.best.length);
      }),
      { numRuns: 50 },
    );
  });

  // Answers rebuilt from pieces: "kings" as "king s", 中国 with a space, capitals lost.
  it("gives the text's own letters", async () => {
    const context = "A  KINGS, 中国\n b";
    const { windows, places } = await read(question(context));
    const scores = flat(windows);
    scores[0]!.starts[windows[0]!.secondStart + 1] = 9;
    scores[0]!.ends[windows[0]!.secondStart + 3] = 9;
    const answer = answerOf({ context, places: places[0]! }, windows, scores, span);
    expect(answer).toMatchObject({ text: "KINGS,", start: 3, end: 9 });
  });

  // Answers that begin or end inside a word: "185" of 1850, "s" of kings; Chinese cut at spaces only.
  it("answers in whole words", () => {
    const text = "aé1 b-c 中国x 𠀀国 e\u0301";
    const inside = Array.from({ length: text.length + 1 }, (_, place) => isInsideWord(text, place));
    expect(inside.flatMap((is, place) => (is ? [place] : []))).toEqual([1, 2, 13, 17]);
  });

  // The threshold turned round, or asked of a model that has always an answer.
  it("answers nothing by its threshold only", async () => {
    const context = "a b c";
    const { windows, places } = await read(question(context));
    const scores = flat(windows);
    scores[0]!.starts[0] = 2;
    const asked = { context, places: places[0]! };
    expect(answerOf(asked, windows, scores, span).text).toBe("");
    expect(answerOf(asked, windows, scores, { ...span, noneThreshold: 2 }).text).toBe("a");
    const always = answerOf(asked, windows, scores, { ...span, allowsNone: false });
    expect([always.text, always.noneScore]).toEqual(["a", 2]);
    expect(always.best.every(({ text }) => text !== "")).toBe(true);
  });
});
