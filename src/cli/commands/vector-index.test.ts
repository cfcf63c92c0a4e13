import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pairedModel, pairedRows } from "../../../tests/support/paired-words.ts";
import { runCommand } from "../../../tests/support/run-command.ts";
import { saveModel } from "../../api/model.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
const cell = (text: string): string => `"${text}"`;
const rows = pairedRows(20, 4);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-index-command-"));
  await saveModel(at("model"), pairedModel());
  const faq = rows.map(({ question, topic }) => `${cell(question)},${cell(`Answer ${topic}.`)}`);
  await writeFile(at("faq.csv"), ["question,answer", ...faq, ""].join("\n"));
  // The first row of a file with a header is its second line.
  const asked = rows.map(({ question }, i) => `${cell(question)},${i + 2}`);
  await writeFile(at("asked.csv"), ["question,id", ...asked, `${cell("the old")},`, ""].join("\n"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (...args: string[]) => runCommand(...args, "--threads", "1");

it("makes a bot of a CSV file of questions and answers, without a word about columns (bugs: the answers searched by, a threshold that is not kept, or not said to miss its aim)", async () => {
  const made = await run("index", "build", at("faq.index"), "-m", at("model"), "-d", at("faq.csv"));
  expect(made.error).toContain("Searched by column question; ids: the numbers of the lines.");
  expect(made.out).toContain("20 entries added");
  const asked = await run("ask", at("faq.index"), rows[3]!.question);
  expect(asked.out).toMatch(
    new RegExp(`^Answer ${rows[3]!.topic}\\.\n {2}\\[score 1\\.000, \\d+: ${rows[3]!.question}\\]`),
  );

  const evaluated = await run("index", "evaluate", at("faq.index"), "-d", at("asked.csv"), "--keep-threshold");
  expect(evaluated.out).toMatch(/on other questions +precision \d\.\d+.*5 parts/);
  await writeFile(at("wrong.csv"), `question,id\n${cell("ask1")},2\n${cell("ask2")},nobody\n`);
  const wrong = await run("index", "evaluate", at("faq.index"), "-d", at("wrong.csv"));
  expect(wrong.error).toContain(
    'wrong.csv: 1 of 2 right answers are not in the index and count as not found; the first is "nobody" in line 3.',
  );
  const info = await runCommand("index", "info", at("faq.index"));
  expect((await runCommand("info", at("faq.index"))).out).toBe(info.out);
  expect(info.out).toMatch(
    /threshold +\S+ of cosines \(best F1 on .*asked\.csv; .*% right, .*% answered on other questions\)/,
  );

  // Every right answer is said to be another one.
  const shifted = rows.map(({ question }, i) => `${cell(question)},${i === 0 ? 21 : i + 1}`);
  await writeFile(at("shifted.csv"), ["question,id", ...shifted, ""].join("\n"));
  const shift = ["index", "evaluate", at("faq.index"), "-d", at("shifted.csv"), "--keep-threshold"];
  const missed = await run(...shift, "--precision", "0.9");
  expect(missed.error).toContain("No threshold reaches a precision of 0.9: the highest there is, 0.0000, is kept.");
  const unreached = await runCommand("index", "info", at("faq.index"));
  expect(unreached.out).toMatch(/of cosines \(precision 0\.9, not reached, on .*shifted\.csv/);
  expect((await run(...shift)).error).toContain("No answer is right: there is no threshold, and none is kept.");

  await writeFile(at("lines.jsonl"), `${JSON.stringify({ question: rows[3]!.question, answer: "mine" })}\n`);
  const taken = await run("ask", at("faq.index"), "-d", at("lines.jsonl"));
  expect(taken.error).toContain("FIELD_TAKEN");
  const inside = await run("ask", at("faq.index"), "-d", at("lines.jsonl"), "--as", "found");
  expect(JSON.parse(inside.out)).toMatchObject({ answer: "mine", found: { candidates: [{}, {}, {}] } });
});

it("tells which columns there are where none is usual, and leaves nothing behind", async () => {
  await writeFile(at("other.csv"), "frage,antwort\nask1,say1\n");
  const wrong = run("index", "build", at("other.index"), "-m", at("model"), "-d", at("other.csv"), "--header", "yes");
  expect((await wrong).error).toContain("none of its columns (frage, antwort) is called text or question");
  expect((await runCommand("index", "info", at("other.index"))).error).toContain("INDEX_MISSING");
  // Numbers of lines are no ids for a second file.
  const again = await run("index", "add", at("faq.index"), "-d", at("faq.csv"));
  expect(again.error).toMatch(/ID_TAKEN/);
  expect(again.error).toContain("numbers of lines");
  expect((await run("ask", at("faq.index"), " ")).error).toContain("the question is empty");
});
