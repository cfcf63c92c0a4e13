/** @file Errors in tags, answers and written texts, as parts of a page. */
import { joinWords } from "../data/alignment.ts";
import { areEntityTags, calibration, entitiesOf, entityReport } from "../evaluation/index.ts";
import type { Example, MarkedText, ReportSection, TextMark } from "../report/index.ts";
import {
  asPercent,
  betweenCharacters,
  confusionSections,
  numeric,
  reliabilitySection,
  unmarked,
  worst,
} from "./class-errors.ts";
import { judgedFigures } from "./judged-figure.ts";
import type { JudgedOf } from "./judged-row.ts";

/** What is right, wrong and missed of a sentence: entities, or single words where the tags mark none. */
function tagMarks({ words, label, prediction }: JudgedOf<"tokenClassification">, marksEntities: boolean): MarkedText {
  const { text, spans } = joinWords(words);
  const place = (first: number, end: number) => ({ start: spans[first]!.start, end: spans[end - 1]!.end });
  if (!marksEntities) {
    const marks = words.flatMap((_, i): TextMark[] =>
      label[i] === prediction[i]
        ? []
        : [{ ...place(i, i + 1), label: `${prediction[i]} (true: ${label[i]})`, tone: "wrong" }],
    );
    return { text, marks };
  }
  const key = ({ type, start, end }: { type: string; start: number; end: number }): string => `${type} ${start} ${end}`;
  const [truth, guesses] = [entitiesOf(label), entitiesOf(prediction)];
  const [known, guessed] = [new Set(truth.map(key)), new Set(guesses.map(key))];
  const marks = [
    ...guesses.map(
      (entity): TextMark => ({
        ...place(entity.start, entity.end),
        label: entity.type,
        tone: known.has(key(entity)) ? "right" : "wrong",
      }),
    ),
    ...truth
      .filter((entity) => !guessed.has(key(entity)))
      .map((entity): TextMark => ({ ...place(entity.start, entity.end), label: entity.type, tone: "missed" })),
  ];
  return { text, marks };
}

export function tagSections(rows: readonly JudgedOf<"tokenClassification">[], most: number): ReportSection[] {
  const pairs = rows.flatMap(({ label, prediction }) => label.map((tag, i) => [tag, prediction[i]!] as const));
  const names = [...new Set(pairs.flat())].sort();
  const marksEntities = areEntityTags(names);
  const report = marksEntities
    ? entityReport(
        rows.map(({ label }) => label),
        rows.map((row) => row.prediction),
      )
    : undefined;
  const errors = rows
    .map((row) => {
      const marked = tagMarks(row, marksEntities);
      return { row, marked, count: marked.marks.filter(({ tone }) => tone !== "right").length };
    })
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
  const examples = errors.slice(0, most).map(({ row, marked, count }): Example => {
    const least = row.probabilities.reduce((low, share) => Math.min(low, share), 1);
    return {
      title: `line ${row.line} · ${count} ${count === 1 ? "fault" : "faults"} · least probability of a tag ${asPercent(least)}`,
      texts: [marked],
    };
  });
  const types: ReportSection[] =
    report === undefined
      ? []
      : [
          {
            kind: "table",
            title: "Entities by type",
            columns: [{ label: "type" }, ...["precision", "recall", "F1", "true"].map(numeric)],
            rows: [
              ...Object.entries(report.types),
              ["micro", report.micro] as const,
              ["macro", report.macro] as const,
            ].map(([name, { precision, recall, f1, support }]) => [name, precision, recall, f1, support]),
          },
        ];
  return [
    ...types,
    ...confusionSections(names, pairs),
    worst(examples, errors.length, `with most faults; counted in ${marksEntities ? "entities" : "words"}`),
  ];
}

/** The answer that was given and those that are right, in as much of the text as is needed. */
function answerMarks({ context, label, prediction, start, end }: JudgedOf<"questionAnswering">): MarkedText {
  const marks: TextMark[] = [];
  const isSame = (text: string, at: number | null): boolean => at === start && text === prediction;
  if (start !== null && end !== null) {
    const isTrue = label.some(({ text, start: at }) => isSame(text, at));
    marks.push({ start, end, label: "answer given", tone: isTrue ? "right" : "wrong" });
  }
  const seen = new Set<string>();
  for (const { text, start: at } of label) {
    if (at === null || isSame(text, at) || seen.has(`${at} ${text}`)) continue;
    seen.add(`${at} ${text}`);
    marks.push({ start: at, end: at + text.length, label: "right answer", tone: "missed" });
  }
  const AROUND = 400;
  const places = marks.flatMap((mark) => [mark.start, mark.end]);
  // Where nothing is marked the text is shown from its beginning.
  const from = places.length === 0 ? 0 : betweenCharacters(context, Math.max(0, Math.min(...places) - AROUND));
  const to = betweenCharacters(context, Math.min(context.length, Math.max(...places, 2 * AROUND) + AROUND));
  const [before, after] = [from > 0 ? "… " : "", to < context.length ? " …" : ""];
  const shift = before.length - from;
  return {
    text: before + context.slice(from, to) + after,
    marks: marks.map((mark) => ({ ...mark, start: mark.start + shift, end: mark.end + shift })),
  };
}

export function answerSections(rows: readonly JudgedOf<"questionAnswering">[], most: number): ReportSection[] {
  const kinds = [
    ["right to the letter", rows.filter(({ exact }) => exact === 1)],
    ["overlaps a right answer", rows.filter(({ exact, f1 }) => exact < 1 && f1 > 0)],
    [
      "shares no word with one",
      rows.filter(({ f1, label, prediction }) => f1 === 0 && label.length > 0 && prediction !== ""),
    ],
    [
      "silent where there is an answer",
      rows.filter(({ exact, label, prediction }) => exact < 1 && label.length > 0 && prediction === ""),
    ],
    ["answers where there is none", rows.filter(({ label, prediction }) => label.length === 0 && prediction !== "")],
  ] as const;
  const wrong = rows.filter(({ exact }) => exact < 1).sort((a, b) => a.f1 - b.f1 || b.probability - a.probability);
  const examples = wrong.slice(0, most).map(
    (row): Example => ({
      title: `${row.id} · F1 ${(100 * row.f1).toFixed(1)} · probability ${asPercent(row.probability)}`,
      texts: [unmarked(row.question, "Question:"), answerMarks(row)],
      facts: [
        ["given", row.prediction === "" ? "(no answer)" : row.prediction],
        ["right", row.label.length === 0 ? "(no answer)" : [...new Set(row.label.map(({ text }) => text))].join(" | ")],
      ],
    }),
  );
  // One class beside one that is never predicted: how often an answer of a probability is right.
  const reliability = calibration(
    rows.map(({ exact }) => (exact === 1 ? 0 : 1)),
    rows.map(({ probability }) => [probability, 0]),
    10,
  );
  return [
    {
      kind: "table",
      title: "Kinds of answers",
      columns: [{ label: "answer" }, numeric("questions"), numeric("mean probability")],
      rows: kinds.map(([name, own]) => [
        ...[name, own.length],
        own.reduce((sum, { probability }) => sum + probability, 0) / own.length,
      ]),
      note: "A probability is the answer's share among the candidates that were kept.",
    },
    reliabilitySection(reliability, "answer"),
    worst(examples, wrong.length, "that share least with a right answer, and of these the surest"),
  ];
}

export function textSections(rows: readonly JudgedOf<"sequenceToSequence">[], most: number): ReportSection[] {
  const scored = rows.map((row) => ({ row, score: judgedFigures([row]).rougeL! }));
  const wrong = scored
    .filter(({ row }) => row.label.trim() !== row.prediction.trim())
    .sort((a, b) => a.score - b.score);
  const examples = wrong.slice(0, most).map(
    ({ row, score }): Example => ({
      title: `ROUGE-L ${(100 * score).toFixed(1)}`,
      texts: [unmarked(row.source, "Source:")],
      facts: [
        ["written", row.prediction],
        ["target", row.label],
      ],
    }),
  );
  return [worst(examples, wrong.length, "that share least with their target")];
}
