/** @file Phrases and names of a text, without a lexicon. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { CharacterSpans } from "./character-spans.ts";
import type { TextSource } from "./source.ts";
import { type SpanEntry, type SpanKind, spanKinds } from "./span-file.ts";
import { WordSpans } from "./word-spans.ts";

export interface MineOptions {
  /** Occurrences that a span needs; 5 by default. */
  readonly minCount?: number;
  /** Least association of a phrase's parts, in nats; 4 by default. */
  readonly minPmi?: number;
  /** Least entropy of what stands before and behind a Chinese word, in nats; 1 by default. */
  readonly minEntropy?: number;
  /** Longest phrase in words; 4 by default. */
  readonly maxWords?: number;
  /** Longest Chinese word in characters; 4 by default. */
  readonly maxCharacters?: number;
  /** Most spans of each kind, the most frequent; 50 000 by default. */
  readonly maxSpans?: number;
}

const defaults = { minCount: 5, minPmi: 4, minEntropy: 1, maxWords: 4, maxCharacters: 4, maxSpans: 50_000 };

function resolve(options: MineOptions): Required<MineOptions> {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const all: Required<MineOptions> = { ...defaults, ...given };
  const issues: ConfigIssue[] = [];
  const atLeast = { minCount: 1, maxWords: 2, maxCharacters: 2, maxSpans: 1 } as const;
  for (const [path, least] of Object.entries(atLeast)) {
    const value = all[path as keyof typeof atLeast];
    if (Number.isInteger(value) && value >= least) continue;
    issues.push({ path, message: `must be a whole number ≥ ${least}; got ${value}.`, code: "CONFIG_RANGE" });
  }
  for (const path of ["minPmi", "minEntropy"] as const) {
    if (all[path] >= 0) continue;
    issues.push({ path, message: `must be ≥ 0; got ${all[path]}.`, code: "CONFIG_RANGE" });
  }
  if (issues.length > 0) throw new ConfigError("mineSpans", issues);
  return all;
}

/**
 * Finds what belongs together in a text: names (runs of capitalised words that are so inside sentences too; Chinese titles of
 * works, places and institutions by their endings), and phrases (words, or Chinese characters, that stand together more often
 * than chance). Most frequent first within each kind; a text that is both is a name.
 *
 * Differs: the authors of ERNIE had a lexical analyser of their own for phrases and names.
 * @throws {ConfigError} all problems together
 * @source Sun et al. 2019 §3.2, arXiv:1904.09223 (what it is for)
 */
export async function mineSpans(source: TextSource, options: MineOptions = {}): Promise<SpanEntry[]> {
  const settings = resolve(options);
  const collectors = [new WordSpans(settings), new CharacterSpans(settings)];
  for await (const sentence of source.lines()) for (const collector of collectors) collector.add(sentence);
  const found = collectors.flatMap((collector) => collector.finish());
  const names = new Set(found.filter(({ kind }) => kind === "entity").map(({ text }) => text));
  const ofKind = (kind: SpanKind): SpanEntry[] =>
    found
      .filter((entry) => entry.kind === kind && (kind === "entity" || !names.has(entry.text)))
      .sort((a, b) => b.count - a.count || (a.text < b.text ? -1 : 1))
      .slice(0, settings.maxSpans);
  return spanKinds.flatMap(ofKind);
}
