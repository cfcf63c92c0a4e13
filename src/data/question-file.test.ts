import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { TextPositions } from "./alignment.ts";
import { placeAnswer } from "./answer-place.ts";
import { parseQuestions, placesNotice, questionFile } from "./question-file.ts";

const file = (qas: readonly object[], context = "𠀀 in 1066 the king fell; the king rose") => ({
  version: "1.1",
  data: [{ title: "t", paragraphs: [{ context, qas }] }],
});
const asked = (answers: readonly object[], more: object = {}) => ({ id: "a", question: "who?", answers, ...more });

describe("placeAnswer", () => {
  const text = "𠀀 in 1066 the king fell; the king rose";
  const place = (answer: string, start: number) => placeAnswer(text, { text: answer, start }, new TextPositions(text));

  // Python's places taken for UTF-16 units: every answer behind 𠀀 would be one letter off.
  it("counts in code points", () => {
    expect(place("1066", 5)).toEqual({ start: 6, finding: "codePoints" });
  });

  it("takes a place that is right in UTF-16 units only", () => {
    expect(place("1066", 6)).toEqual({ start: 6, finding: "utf16" });
  });

  // The first occurrence in place of the nearest.
  it("moves to the nearest occurrence", () => {
    expect(place("the king", 27)).toEqual({ start: text.lastIndexOf("the king"), finding: "moved" });
    expect(place("the king", 14)).toEqual({ start: text.indexOf("the king"), finding: "moved" });
    expect(place("the king", -1)).toEqual({ start: text.indexOf("the king"), finding: "moved" });
    expect(place("the king", 9_999)).toEqual({ start: text.lastIndexOf("the king"), finding: "moved" });
  });

  it("says what is not there", () => {
    expect(place("queen", 3)).toEqual({ start: undefined, finding: "absent" });
  });
});

describe("parseQuestions", () => {
  it("reads answers, and questions without any", () => {
    const value = file([asked([{ text: "1066", answer_start: 5 }]), { ...asked([], { is_impossible: true }), id: 7 }]);
    const data = parseQuestions(value, "f");
    expect(data.hasUnanswerable).toBe(true);
    expect(data.questions.map(({ id, answers }) => [id, answers])).toEqual([
      ["a", [{ text: "1066", start: 6 }]],
      ["7", []],
    ]);
    expect(placesNotice(data)).toBeUndefined();
  });

  // A wrong place that is passed over in silence.
  it("reports places that are wrong", () => {
    const value = file([
      asked([
        { text: "king", answer_start: 0 },
        { text: "queen", answer_start: -1 },
      ]),
    ]);
    expect(placesNotice(parseQuestions(value, "f"))).toBe(
      'f: of 2 places of answers 1 were moved to where the answer stands nearest, 1 answer is not in its text (question "a"): nothing is learnt from it',
    );
  });

  it.each([
    ["ID_REPEATED", file([asked([]), asked([])]), /data\[0\]\.paragraphs\[0\]\.qas\[1\]\.id.*"a" is that of/],
    ["TEXT_EMPTY", file([{ ...asked([]), question: " " }]), /qas\[0\]\.question: must be a text/],
    ["TEXT_EMPTY", file([asked([])], ""), /paragraphs\[0\]\.context/],
    ["TEXT_EMPTY", file([asked([{ text: "", answer_start: 0 }])]), /answers\[0\]\.text/],
    ["QUESTIONS_LAYOUT", file([asked([{ text: "x" }])]), /answer_start: must be a whole number/],
    ["QUESTIONS_LAYOUT", [], /must be an object/],
    ["QUESTIONS_LAYOUT", { data: {} }, /data: must be a list/],
    ["ANSWER_CONTRADICTS", file([asked([{ text: "in", answer_start: 2 }], { is_impossible: true })]), /impossible/],
    ["DATA_EMPTY", { data: [] }, /no questions/],
  ])("refuses with %s", (code, value, message) => {
    expect(() => parseQuestions(value, "f")).toThrow(expect.objectContaining({ code }));
    expect(() => parseQuestions(value, "f")).toThrow(message);
  });
});

const shared = new URL("../../../shared/data/", import.meta.url).pathname;

describe.skipIf(!existsSync(shared))("shared data sets (skipped where they are not there)", () => {
  // Numbers as the description of the data counts them.
  it.each([
    ["squadshifts/new_wiki_v1.0.json.gz", 7_938, { codePoints: 22_794, utf16: 0, moved: 0, absent: 0, unsaid: 0 }],
    ["xquad/xquad.zh.json.gz", 1_190, { codePoints: 1_190, utf16: 0, moved: 0, absent: 0, unsaid: 0 }],
    ["drcd/DRCD_dev.json.gz", 3_524, { codePoints: 7_048, utf16: 0, moved: 0, absent: 0, unsaid: 0 }],
    ["cmrc2018/cmrc2018_dev.json.gz", 3_219, { codePoints: 9_457, utf16: 7, moved: 0, absent: 193, unsaid: 0 }],
  ])("%s", async (name, numQuestions, places) => {
    const data = await questionFile(`${shared}${name}`);
    expect(data.questions).toHaveLength(numQuestions);
    expect(data.places).toEqual(places);
    const isWrong = data.questions.filter(({ context, answers }) =>
      answers.some(({ text, start }) => start !== undefined && !context.startsWith(text, start)),
    );
    expect(isWrong).toEqual([]);
  });
});
