import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { drawShots, parsePromptTemplate, promptFor } from "./prompt-template.ts";

const yaml = `
instruction: Tell the sentiment.
example: "Review: {text}\\nSentiment:{answer}!"
answer: label
options:
  "0": " bad"
  "1": " good"
normalization: token
`;
const template = parsePromptTemplate(yaml, "t.yaml");

test("instruction, examples with answers, and the question up to its answer", () => {
  const shots = [{ text: "dull {label}", label: "0" }];
  const { context, options } = promptFor(template, shots, { text: "fine", label: "1" });
  // A field's braces are text; what stands behind the answer belongs to examples only.
  expect(context).toBe("Tell the sentiment.\n\nReview: dull {label}\nSentiment: bad!\n\nReview: fine\nSentiment:");
  expect(options).toEqual([" bad", " good"]);
  expect(promptFor(template, [], { text: "fine", label: "1" }).context).toBe(
    "Tell the sentiment.\n\nReview: fine\nSentiment:",
  );
});

test("a column of several words is filled in; braces around other words are text (bug: a field left out in silence)", () => {
  const spaced = parsePromptTemplate(yaml.replace("{text}", "{the text} {as it is}"), "t.yaml");
  expect(promptFor(spaced, [], { "the text": "fine", label: "1" }).context).toBe(
    "Tell the sentiment.\n\nReview: fine {as it is}\nSentiment:",
  );
});

test("examples are drawn from the seed, each answer in turn, none twice", () => {
  const rows = Array.from({ length: 30 }, (_, i) => ({ text: `${i}`, label: i < 25 ? "0" : "1" }));
  const shots = drawShots(template, rows, 8, 1);
  expect(shots.filter(({ label }) => label === "1")).toHaveLength(4);
  expect(new Set(shots.map(({ text }) => text)).size).toBe(8);
  expect(drawShots(template, rows, 8, 1)).toEqual(shots);
  expect(drawShots(template, rows, 8, 2)).not.toEqual(shots);
  expect(drawShots(template, rows, 30, 1)).toHaveLength(30);
  expect(() => drawShots(template, rows, 31, 1)).toThrow(expect.objectContaining({ code: "EXAMPLES_TOO_FEW" }));
});

test("the example in examples/ is a template", () => {
  const path = new URL("../../examples/prompt-sentiment.yaml", import.meta.url);
  const example = parsePromptTemplate(readFileSync(path, "utf8"), "prompt-sentiment.yaml");
  expect(promptFor(example, [], { sentence: "fine", label: "positive" }).context).toBe(
    "Is the review positive or negative?\n\nReview: fine\nSentiment:",
  );
});

test("what does not fit is said, all of it", () => {
  const refused = (text: string, problem: RegExp) => expect(() => parsePromptTemplate(text, "t.yaml")).toThrow(problem);
  refused("example: 'no place'\nanswer: label\noptions: {a: x}\nshots: 3", /4 problems|3 problems/);
  refused("example: '{answer} {answer}'\nanswer: label\noptions: {a: x, b: y}", /once/);
  refused("- a\n- b", /table of settings/);
  refused("example: [", /TEMPLATE_MALFORMED/);
  const columns = parsePromptTemplate("example: '{txet}{answer}'\nanswer: label\noptions: {a: x, b: y}", "t.yaml");
  expect(() => promptFor(columns, [], { text: "a", label: "a" })).toThrow(/txet/);
  expect(() => promptFor(template, [{ text: "a", label: "7" }], { text: "b", label: "0" })).toThrow(
    expect.objectContaining({ code: "ANSWER_UNKNOWN" }),
  );
});
