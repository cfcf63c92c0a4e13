/** @file What a search may choose from, and the settings it tries: all of them, or draws that a seed decides. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import { showValue } from "../formats/config-fields.ts";
import type { JsonValue } from "../formats/json-text.ts";

/** The values that one setting may have. */
export type Dimension =
  | { readonly kind: "choice"; readonly values: readonly JsonValue[] }
  | {
      readonly kind: "uniform" | "logUniform" | "wholeNumber";
      readonly low: number;
      readonly high: number;
      /** Values that a grid takes, evenly spread from end to end. */
      readonly points?: number | undefined;
    };

/** Settings by name, and what each may be. */
export type SearchSpace = Readonly<Record<string, Dimension>>;

/** One value for each setting of a space. */
export type SearchSettings = Readonly<Record<string, JsonValue>>;

/** One of these values. */
export function choice(values: readonly JsonValue[]): Dimension {
  return { kind: "choice", values };
}

/** A number in [low, high], all equally likely. @param points values that a grid takes */
export function uniform(low: number, high: number, points?: number): Dimension {
  return { kind: "uniform", low, high, points };
}

/** A number in [low, high] whose logarithm is uniform: as often between 1e-5 and 1e-4 as between 1e-4 and 1e-3. */
export function logUniform(low: number, high: number, points?: number): Dimension {
  return { kind: "logUniform", low, high, points };
}

/** A whole number from low to high, both included. @param points values that a grid takes; all when left out */
export function wholeNumber(low: number, high: number, points?: number): Dimension {
  return { kind: "wholeNumber", low, high, points };
}

const forms = "a list of values, uniform(low, high), logUniform(low, high) or wholeNumber(low, high)";
const drawn = ["uniform", "logUniform", "wholeNumber"] as const;

/**
 * A dimension as recipes write it: a list of values, or `logUniform(1e-5, 1e-3)`; a third number is that of a grid's points.
 * @returns the dimension, or the rule that is broken
 */
export function parseDimension(value: unknown): Dimension | { readonly rule: string } {
  if (Array.isArray(value)) return choice(value as JsonValue[]);
  const refused = { rule: `must be ${forms}; got ${showValue(value)}.` };
  const call = typeof value === "string" ? /^\s*(\w+)\s*\(([^()]*)\)\s*$/.exec(value) : null;
  const kind = drawn.find((name) => name === call?.[1]);
  if (call === null || kind === undefined) return refused;
  const numbers = call[2]!.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (numbers.length < 2 || numbers.length > 3 || !numbers.every(Number.isFinite)) return refused;
  return { kind, low: numbers[0]!, high: numbers[1]!, points: numbers[2] };
}

function dimensionIssue(dimension: Dimension): string | undefined {
  if (dimension.kind === "choice") {
    const { values } = dimension;
    if (values.length === 0) return "must have one value at least; got none.";
    const texts = values.map((value) => JSON.stringify(value));
    const twice = texts.find((text, i) => texts.indexOf(text) !== i);
    return twice === undefined ? undefined : `must have different values; got ${twice} twice.`;
  }
  const { kind, low, high, points } = dimension;
  if (!(low < high)) return `must go from a lower to a higher number; got ${low} and ${high}.`;
  if (kind === "logUniform" && low <= 0) return `must begin above 0; got ${low}. Use uniform.`;
  if (kind === "wholeNumber" && !(Number.isSafeInteger(low) && Number.isSafeInteger(high))) {
    return `must have whole ends; got ${low} and ${high}.`;
  }
  if (points !== undefined && !(Number.isInteger(points) && points >= 2)) {
    return `must have two points at least in a grid; got ${points}.`;
  }
  return undefined;
}

/** What is wrong with a space; paths are the settings' names. */
export function spaceIssues(space: SearchSpace, isGrid: boolean): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const add = (path: string, message: string): void => {
    issues.push({ path, message, code: "SEARCH_SPACE" });
  };
  const entries = Object.entries(space);
  if (entries.length === 0) add("space", `must name one setting at least, and what it may be: ${forms}.`);
  for (const [name, dimension] of entries) {
    const wrong = dimensionIssue(dimension);
    if (wrong !== undefined) add(name, wrong);
    else if (isGrid && gridValues(dimension) === undefined) {
      add(
        name,
        "has no end of values in sight; a grid needs a number of points, as logUniform(1e-5, 1e-3, 5), or a list.",
      );
    }
  }
  return issues;
}

/** A value of a span without the noise of logarithms; ends stay what they are. */
function rounded(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, Number(value.toPrecision(4))));
}

/** The number at a share of a span: 0 its low end, 1 its high end. */
function numberAt({ kind, low, high }: Exclude<Dimension, { kind: "choice" }>, share: number): number {
  if (share === 0 || share === 1) return share === 0 ? low : high;
  if (kind === "logUniform") return rounded(low * (high / low) ** share, low, high);
  if (kind === "uniform") return rounded(low + (high - low) * share, low, high);
  return Math.round(low + (high - low) * share);
}

/** Values of one setting that a grid can take. */
const MOST_POINTS = 10_000;

/** The values that a grid takes; undefined where there is no end of them, or none in sight. */
export function gridValues(dimension: Dimension): readonly JsonValue[] | undefined {
  if (dimension.kind === "choice") return dimension.values;
  const { kind, low, high } = dimension;
  const points = dimension.points ?? (kind === "wholeNumber" ? high - low + 1 : undefined);
  if (points === undefined || points > MOST_POINTS) return undefined;
  return [...new Set(Array.from({ length: points }, (_, i) => numberAt(dimension, i / (points - 1))))];
}

/** How many different settings a space has. */
export function numSettings(space: SearchSpace): number {
  return Object.values(space).reduce((product, dimension) => {
    if (dimension.kind === "choice") return product * dimension.values.length;
    return product * (dimension.kind === "wholeNumber" ? dimension.high - dimension.low + 1 : Number.POSITIVE_INFINITY);
  }, 1);
}

function requireSpace(space: SearchSpace, isGrid: boolean): void {
  const issues = spaceIssues(space, isGrid);
  if (issues.length > 0) throw new ConfigError("search", issues);
}

/**
 * Every combination of a grid, the last setting changing fastest.
 * @throws {ConfigError} SEARCH_SPACE
 */
export function gridSettings(space: SearchSpace): SearchSettings[] {
  requireSpace(space, true);
  return Object.entries(space).reduce<SearchSettings[]>(
    (settings, [name, dimension]) =>
      settings.flatMap((own) => gridValues(dimension)!.map((value) => ({ ...own, [name]: value }))),
    [{}],
  );
}

/** A value drawn from one dimension; numbers have four significant digits. */
function drawValue(dimension: Dimension, random: Random): JsonValue {
  if (dimension.kind === "choice") return dimension.values[random.nextInt(dimension.values.length)]!;
  const { kind, low, high } = dimension;
  return kind === "wholeNumber" ? low + random.nextInt(high - low + 1) : numberAt(dimension, random.next());
}

/** Draws in a row without new settings after which there are no others, as good as surely. */
const LAST_ATTEMPTS = 10_000;

/**
 * Different settings drawn at random: the first of a longer list are those of a shorter one, and a setting's draws do not
 * depend on what else the space has. Fewer where the space has no more.
 * @throws {ConfigError} SEARCH_SPACE
 */
export function randomSettings(
  space: SearchSpace,
  { seed, count }: { readonly seed: number; readonly count: number },
): SearchSettings[] {
  requireSpace(space, false);
  const settings = new Map<string, SearchSettings>();
  const wanted = Math.min(count, numSettings(space));
  let idle = 0;
  for (let attempt = 0; settings.size < wanted && idle < LAST_ATTEMPTS; attempt++) {
    const own = Object.fromEntries(
      Object.entries(space).map(([name, dimension]) => [
        name,
        drawValue(dimension, new Random(seed, "search", attempt, name)),
      ]),
    );
    const key = JSON.stringify(own);
    idle = settings.has(key) ? idle + 1 : 0;
    if (!settings.has(key)) settings.set(key, own);
  }
  return [...settings.values()];
}
