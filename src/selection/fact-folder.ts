/** @file A folder that remembers what was done, so that work that was killed goes on where it stopped. */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { formatJson, readJsonObject } from "../formats/json-file.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../formats/json-text.ts";

/** Numbers that JSON has no word for. */
const strange: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

/** A value as JSON that gives it back: numbers that JSON has no word for become texts of one key. */
export function toFacts(value: unknown): JsonValue {
  return JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === "number" && !Number.isFinite(inner) ? { $number: String(inner) } : inner,
    ),
  ) as JsonValue;
}

/** What {@link toFacts} was given. */
export function fromFacts(value: JsonValue): unknown {
  if (Array.isArray(value)) return value.map(fromFacts);
  if (!isJsonObject(value)) return value;
  const { $number } = value;
  if (typeof $number === "string" && Object.hasOwn(strange, $number)) return strange[$number];
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fromFacts(inner)]));
}

function differences(there: JsonObject, here: JsonObject): string[] {
  const show = (value: JsonValue | undefined): string => JSON.stringify(value)?.slice(0, 80) ?? "not set";
  return [...new Set([...Object.keys(there), ...Object.keys(here)])]
    .filter((key) => JSON.stringify(there[key]) !== JSON.stringify(here[key]))
    .map((key) => `${key} is ${show(there[key])} there and ${show(here[key])} here`);
}

/** Facts by name, each a file that is there whole or not at all; in memory where there is no folder. */
export class FactFolder {
  readonly folder: string | undefined;
  private readonly memory = new Map<string, JsonValue>();

  private constructor(folder: string | undefined) {
    this.folder = folder;
  }

  /**
   * Opens a folder for one piece of work.
   * @param name of the file that says what the work is
   * @param identity decides all results; another in the same folder is refused
   * @throws {CheckpointError} RUN_MISMATCH, OUTPUT_EXISTS, NOT_WRITABLE
   */
  static async open(folder: string | undefined, name: string, identity: unknown): Promise<FactFolder> {
    const opened = new FactFolder(folder);
    if (folder === undefined) return opened;
    const path = join(folder, name);
    const facts = toFacts(identity) as JsonObject;
    if (existsSync(path)) {
      const differing = differences(await readJsonObject(path), facts);
      if (differing.length === 0) return opened;
      throw new CheckpointError(
        `holds other work: ${differing.slice(0, 4).join("; ")}. Choose another folder, or remove it.`,
        { code: "RUN_MISMATCH", path: folder, details: { differing } },
      );
    }
    const names = existsSync(folder) ? await readdir(folder) : [];
    if (names.length > 0) {
      throw new CheckpointError(
        `exists already and holds no ${name} (${names.slice(0, 3).join(", ")}). Choose another folder.`,
        { code: "OUTPUT_EXISTS", path: folder },
      );
    }
    await mkdir(folder, { recursive: true });
    await writeFileAtomic(path, formatJson(facts));
    return opened;
  }

  /** A path below the folder; undefined where nothing is kept. */
  path(...names: readonly string[]): string | undefined {
    return this.folder === undefined ? undefined : join(this.folder, ...names);
  }

  /** A fact that was written, now or before; undefined where there is none. */
  async read<T>(name: string): Promise<T | undefined> {
    const path = this.path(`${name}.json`);
    const value =
      path === undefined ? this.memory.get(name) : existsSync(path) ? await readJsonObject(path) : undefined;
    return value === undefined ? undefined : (fromFacts(value) as T);
  }

  async write(name: string, value: object): Promise<void> {
    const facts = toFacts(value);
    const path = this.path(`${name}.json`);
    if (path === undefined) this.memory.set(name, facts);
    else await writeFileAtomic(path, formatJson(facts));
  }

  /** Lines that were appended; one that a kill cut off is left out. */
  lines<T>(name: string): T[] {
    const path = this.path(`${name}.jsonl`);
    if (path === undefined) return ((this.memory.get(name) ?? []) as JsonValue[]).map((line) => fromFacts(line) as T);
    if (!existsSync(path)) return [];
    return readFileSync(path, "utf8")
      .split("\n")
      .flatMap((line) => {
        try {
          return line === "" ? [] : [fromFacts(JSON.parse(line) as JsonValue) as T];
        } catch {
          return [];
        }
      });
  }

  /** Appends a line at once, also from where nothing can be waited for. */
  append(name: string, value: object): void {
    const facts = toFacts(value);
    const path = this.path(`${name}.jsonl`);
    if (path === undefined) {
      this.memory.set(name, [...((this.memory.get(name) ?? []) as JsonValue[]), facts]);
      return;
    }
    mkdirSync(dirname(path), { recursive: true });
    // A line that was cut off ends here, so that it harms no other.
    const isCut = existsSync(path) && !readFileSync(path, "utf8").endsWith("\n");
    appendFileSync(path, `${isCut ? "\n" : ""}${JSON.stringify(facts)}\n`);
  }
}
