/** @file Short real texts for an index, and the questions of DataTalks with their answers. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Random } from "../../src/base/random.ts";
import { csv, tsv } from "../../src/data/delimited.ts";
import { questionFile } from "../../src/data/question-file.ts";
import { type TableRow, TableSource } from "../../src/data/table.ts";

/** Longest text in characters: questions and short sentences. */
const LONGEST = 200;

/** A table in memory. */
export function memoryTable(name: string, rows: readonly Readonly<Record<string, unknown>>[]): TableSource {
  return new TableSource(
    name,
    async function* (): AsyncGenerator<TableRow> {
      for (const [i, fields] of rows.entries()) yield { fields, line: i + 1 };
    },
    {},
  );
}

async function* column(source: TableSource, name: string | number): AsyncGenerator<string> {
  for await (const { fields } of source.rows())
    yield String(typeof name === "number" ? Object.values(fields)[name] : fields[name]);
}

async function* questionsOf(path: string): AsyncGenerator<string> {
  for (const { question } of (await questionFile(path)).questions) yield question;
}

/** Sets of short texts, questions first. */
function sources(data: string): AsyncGenerator<string>[] {
  const at = (path: string): string => join(data, path);
  const bare = { header: false, encoding: "latin1" } as const;
  return [
    column(csv(at("banking77/train.csv.gz"), { header: true }), "text"),
    column(csv(at("banking77/test.csv"), { header: true }), "text"),
    column(tsv(at("qqp/dev.tsv.gz"), bare), 1),
    column(tsv(at("qqp/dev.tsv.gz"), bare), 2),
    column(tsv(at("wikiqa/train.txt.gz"), { header: false }), 0),
    column(tsv(at("qnli/dev.tsv.gz"), { header: true }), "question"),
    questionsOf(at("squadshifts/new_wiki_v1.0.json.gz")),
    questionsOf(at("xquad/xquad.en.json.gz")),
    column(tsv(at("trec/train_5500.label"), { ...bare, delimiter: "\u0001" }), 0),
    column(tsv(at("multi30k/train.en.gz"), { header: false, delimiter: "\u0001" }), 0),
    column(tsv(at("tatoeba_en_zh/cmn.txt.gz"), { header: false }), 0),
    column(tsv(at("snli/s1.dev.gz"), { header: false, delimiter: "\u0001" }), 0),
    column(tsv(at("snli/s2.dev.gz"), { header: false, delimiter: "\u0001" }), 0),
    column(tsv(at("sst2/train.tsv.gz"), { header: false }), 0),
    column(tsv(at("ntrex/newstest2019.en.txt.gz"), { header: false, delimiter: "\u0001" }), 0),
    column(tsv(at("bible_en_zh/kjv-cuv.tsv.gz"), { header: true }), "en"),
  ];
}

/** Distinct short texts of the sets, questions first. */
export async function shortTexts(data: string, count: number): Promise<string[]> {
  const found = new Set<string>();
  for (const texts of sources(data)) {
    for await (const text of texts) {
      // TREC puts the class before the question.
      const clean = text.trim().replace(/^[A-Z]{3,4}:[a-z]+ /, "");
      if (clean !== "" && clean.length <= LONGEST) found.add(clean);
      if (found.size === count) return [...found];
    }
  }
  throw new RangeError(`--data: there are ${found.size} short texts; ${count} are needed.`);
}

/** An entry of a FAQ. */
export interface FaqEntry {
  readonly id: string;
  readonly question: string;
  readonly answer: string;
}

/** A question that an entry answers. */
export interface FaqPair {
  readonly question: string;
  readonly id: string;
  readonly answer: string;
}

/**
 * The FAQ of DataTalks: its entries, and the questions to them, a fifth of them drawn to be held out.
 * @param limit takes the first questions only, for a trial
 */
export async function faqOf(
  data: string,
  limit = Number.POSITIVE_INFINITY,
): Promise<{
  readonly entries: readonly FaqEntry[];
  readonly train: readonly FaqPair[];
  readonly held: readonly FaqPair[];
}> {
  const folder = join(data, "faq_datatalks");
  const path = join(folder, "documents-with-ids.json.gz");
  if (!existsSync(path)) throw new RangeError(`--data: there is no ${path}.`);
  type Document = { readonly id: string; readonly section: string; readonly question: string; readonly text: string };
  const documents = JSON.parse(gunzipSync(await readFile(path)).toString("utf8")) as Document[];
  const entries = new Map(
    documents.map(({ id, question, text }) => [id, { id, question, answer: `${question} ${text}`.trim() }] as const),
  );
  const pairs: FaqPair[] = [];
  for await (const { fields } of csv(join(folder, "ground-truth-data.csv.gz"), { header: true }).rows()) {
    if (pairs.length >= limit) break;
    const { question, document } = fields as Readonly<Record<string, string>>;
    const entry = entries.get(document!);
    if (entry !== undefined) pairs.push({ question: question!, id: entry.id, answer: entry.answer });
  }
  const random = new Random(1, "split");
  const held: FaqPair[] = [];
  const train = pairs.filter((pair) => {
    const isHeld = random.next() < 0.2;
    if (isHeld) held.push(pair);
    return !isHeld;
  });
  return { entries: [...entries.values()], train, held };
}
