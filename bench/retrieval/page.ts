/** @file The page of the search benchmark: a section for each part that was measured, whenever that was. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { machine, root, today } from "../section.mjs";
import { type CandidatesFacts, candidatesPage } from "./candidates-part.ts";
import { type FaqFacts, faqPage } from "./faq-part.ts";
import { type IndexFacts, indexPage } from "./index-part.ts";
import { type QueryFacts, queryPage } from "./query-part.ts";

/** What the parts find, in the order of the page. */
export interface PartFacts {
  readonly index: IndexFacts;
  readonly query: QueryFacts;
  readonly faq: FaqFacts;
  readonly candidates: CandidatesFacts;
}
export type PartName = keyof PartFacts;
export const partNames = ["index", "query", "faq", "candidates"] as const satisfies readonly PartName[];

const pages: { readonly [K in PartName]: (facts: PartFacts[K]) => string } = {
  index: indexPage,
  query: queryPage,
  faq: faqPage,
  candidates: candidatesPage,
};

/** What is told of a part beside its figures. */
interface PartRecord {
  readonly part: PartName;
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  readonly model: string;
  readonly facts: unknown;
}

const recordsIn = (folder: string): string => join(folder, "retrieval.jsonl");

function readRecords(folder: string): PartRecord[] {
  const path = recordsIn(folder);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").trim().split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as PartRecord);
}

function section({ part, date, command, machine: where, model, facts }: PartRecord): string {
  const page = pages[part] as (facts: unknown) => string;
  const [title, ...text] = page(facts).trim().split("\n");
  return `${title}\n\n\`${command}\`, ${date}; ${model}; ${where}.\n${text.join("\n")}\n`;
}

/**
 * Puts a part's figures into the records, and writes the page anew; the other parts stay as they were.
 * @param folder of the results; that of the project by default
 */
export function writePart<K extends PartName>(
  part: K,
  facts: PartFacts[K],
  {
    command,
    model,
    folder = join(root, "bench", "results"),
  }: { readonly command: string; readonly model: string; readonly folder?: string | undefined },
): string {
  const own: PartRecord = { part, date: today(), command, machine: machine(), model, facts };
  const others = readRecords(folder).filter((record) => record.part !== part);
  const all = partNames.flatMap((name) => [...others, own].filter((record) => record.part === name));
  mkdirSync(folder, { recursive: true });
  writeFileSync(recordsIn(folder), all.map((record) => `${JSON.stringify(record)}\n`).join(""));
  const text = `# Search

Written by \`npx tsx bench/retrieval.ts\`, part by part, from \`retrieval.jsonl\`; do not edit. LanceDB for the index.

${all.map(section).join("\n")}`;
  writeFileSync(join(folder, "retrieval.md"), text);
  return section(own);
}
