// What the parts of the comparison have in common: their options, their sides' turns, their records.

import { parseArgs } from "node:util";
import {
  availableBytes,
  load,
  machine,
  readRecords,
  shellCommand,
  today,
  writeRecords,
  writeResult,
} from "../section.mjs";
import { tunedMalloc } from "./programs.mjs";
import { fittingGroups, takeTurns } from "./turns.mjs";

/**
 * Reads the options of a part, and those that all parts have.
 * @param {string[]} args
 * @param {string[]} names options with a value
 * @param {string[]} flags options without
 */
export function readPart(args, names, flags = []) {
  const texts = [...names, "malloc", "memory", "python", "entry"].map((name) => [name, { type: "string" }]);
  const switches = flags.map((name) => [name, { type: "boolean", default: false }]);
  const { values } = parseArgs({ args, options: Object.fromEntries([...texts, ...switches]) });
  /** A number, whole unless said otherwise; undefined when it is not given. */
  const number = (name, least, isWhole = true) => {
    if (values[name] === undefined) return undefined;
    const value = Number(values[name]);
    if (value >= least && (!isWhole || Number.isInteger(value))) return value;
    const kind = isWhole ? "a whole number of at least" : "at least";
    throw new RangeError(`--${name} must be ${kind} ${least}; got ${values[name]}.`);
  };
  /** Some of the known ids, all when not given. */
  const list = (name, known) => {
    const chosen = values[name]?.split(",") ?? known;
    const strange = chosen.find((one) => !known.includes(one));
    if (strange === undefined) return chosen;
    throw new RangeError(`--${name} must list some of ${known.join(", ")}; got ${strange}.`);
  };
  const { malloc = "tuned", python, entry } = values;
  if (!["tuned", "stock"].includes(malloc)) throw new RangeError(`--malloc must be tuned or stock; got ${malloc}.`);
  const common = {
    malloc,
    gigabytes: number("memory", 1, false) ?? (0.9 * availableBytes()) / 1e9,
    python,
    entry,
    // From the sources when the program is a source file.
    source: entry?.endsWith(".ts") ?? false,
  };
  return { values, number, list, common };
}

/** The folder of data sets, which a part cannot do without. */
export function requireData(part, { data }) {
  if (data === undefined) throw new RangeError(`${part}: --data must name the folder of the data sets.`);
  return data;
}

/** Environment of the peers in Python. */
export function peerEnvironment(malloc) {
  return malloc === "tuned" && process.platform === "linux" ? tunedMalloc : {};
}

/**
 * Lets sides take turns, in groups that fit into memory.
 * @param {{ gigabytes: number, protocol: object, tell: (message: string) => void, shown?: (command: string) => string }} options
 * `shown` shortens commands for the record
 * @returns {Promise<object[][]>} for each group what its sides measured
 */
export async function measureGroups(sides, { gigabytes, protocol, tell, shown = (command) => command }) {
  const groups = [];
  for (const group of fittingGroups(sides, gigabytes)) {
    const results = await takeTurns(group, protocol, tell);
    groups.push(
      results.map(({ side, rounds, report, absent }) => ({
        ...{ id: side.id, ours: side.ours, label: side.label },
        ...(side.dtype === undefined ? {} : { dtype: side.dtype }),
        command: shown(shellCommand([side.shown ?? side.command, ...side.args], side.env)),
        ...(absent === undefined ? { rounds, report } : { absent }),
      })),
    );
  }
  return groups;
}

/** What is measured, with when (`time` in UTC) and where. */
export async function withSurroundings(measure) {
  const loadBefore = load();
  const facts = await measure();
  const versions = { node: process.versions.node };
  const [date, time] = [today(), new Date().toISOString().slice(11, 16)];
  return { ...facts, versions, date, time, machine: machine(), loadBefore, loadAfter: load() };
}

/** A new record takes the place of the one with its key, or comes last. */
export function replaceByKey(keyOf) {
  return (known, measured) => {
    const at = known.findIndex((one) => keyOf(one) === keyOf(measured));
    return at === -1 ? [...known, measured] : known.with(at, measured);
  };
}

/**
 * Measures items of a part one after the other and writes its section after each.
 * @param {{ part: string, render: (records: object[]) => string, join: (known: object[], measured: object) => object[] }} section
 * `join` says what is left of the records when another is measured
 * @returns {Promise<object[]>} what was measured
 */
export async function keepRecords(items, measure, { part, render, join }) {
  let known = readRecords(`${part}.jsonl`);
  const fresh = [];
  for (const item of items) {
    const measured = await measure(item);
    fresh.push(measured);
    known = join(known, measured);
    writeRecords(`${part}.jsonl`, known);
    writeResult(`${part}.md`, render(known));
  }
  return fresh;
}
