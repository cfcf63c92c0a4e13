/** @file ERNIE's objective: predict words, phrases and names as wholes. */
import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { ExampleStream } from "../data/segment.ts";
import type { SpanKind } from "../data/span-file.ts";
import type { SpanLexicon } from "../data/span-lexicon.ts";
import { type MaskableSequence, maskedTextObjective } from "./masked-text.ts";
import { corruptionOf, type MaskedTextOptions } from "./masked-text-option.ts";
import type { PretrainingObjective } from "./objective.ts";
import { choiceIssues, countIssues } from "./option-issue.ts";
import { type MaskingGroup, type MaskingVocabulary, maskGroups, maskingGroups } from "./token-masking.ts";

/** What is chosen as a whole: words; words and phrases; words and names. */
export type KnowledgeStage = "basic" | "phrase" | "entity";

const stages: readonly KnowledgeStage[] = ["basic", "phrase", "entity"];

export interface KnowledgeMaskingOptions extends MaskedTextOptions {
  /** Phrases and names, in the tokenizer's ids. */
  readonly lexicon: SpanLexicon;
  /** One stage; one drawn for each example (`mixture`, the default); or one after the other by epochs (`curriculum`). */
  readonly stage?: KnowledgeStage | "mixture" | "curriculum";
  /** Shares of the stages in a mixture; a third each by default. */
  readonly shares?: Readonly<Record<KnowledgeStage, number>>;
  /** With `curriculum`: epochs of the first stage and of the second; one by default. */
  readonly epochsPerStage?: number;
}

/** Examples that are looked at to find out whether a lexicon fits its text. */
const SAMPLE = 512;
/** Texts with fewer examples may be without spans by chance. */
const FEWEST = 64;

function settingIssues(
  options: KnowledgeMaskingOptions,
  shares: Readonly<Record<KnowledgeStage, number>>,
): ConfigIssue[] {
  const { stage = "mixture", epochsPerStage = 1 } = options;
  const issues = choiceIssues("stage", stage, [...stages, "mixture", "curriculum"]);
  const values = stages.map((name) => shares[name]);
  const total = values.reduce((sum, share) => sum + share, 0);
  if (values.some((share) => !(share >= 0)) || Math.abs(total - 1) > 1e-6) {
    issues.push({
      path: "shares",
      message: `must be ≥ 0 and sum to 1; got ${values.join(", ")}.`,
      code: "CONFIG_RANGE",
    });
  }
  return [...issues, ...countIssues("epochsPerStage", epochsPerStage)];
}

/**
 * What is chosen together in a stage: the spans of its kind, and all other words.
 *
 * Special tokens are in no group, and spans never hold one.
 */
export function knowledgeGroups(
  { tokens, wordStarts }: MaskableSequence,
  stage: KnowledgeStage,
  lexicon: SpanLexicon,
  vocabulary: MaskingVocabulary,
): MaskingGroup[] {
  const words = maskingGroups(tokens, wordStarts, true, vocabulary);
  if (stage === "basic") return words;
  const groups: MaskingGroup[] = [];
  let next = 0;
  for (const span of lexicon.match(tokens, wordStarts, stage)) {
    while (next < words.length && words[next]![1] <= span[0]) groups.push(words[next++]!);
    // Of words that a span begins or ends in (scripts without spaces), the rest stays a group.
    const [first] = words[next] ?? [span[0]];
    if (first < span[0]) groups.push([first, span[0]]);
    groups.push(span);
    while (next < words.length && words[next]![1] <= span[1]) next++;
    const after = words[next];
    if (after !== undefined && after[0] < span[1]) words[next] = [span[1], after[1]];
  }
  return [...groups, ...words.slice(next)];
}

/** Refuses a lexicon that has nothing of a text. @throws {DataError} SPANS_DO_NOT_MATCH */
function checkMatches(stream: ExampleStream, lexicon: SpanLexicon, kinds: readonly SpanKind[], path: string): void {
  if (stream.numExamples < FEWEST) return;
  const count = Math.min(SAMPLE, stream.numExamples);
  const missing = new Set(kinds);
  for (let i = 0; i < count && missing.size > 0; i++) {
    const { a, b } = stream.example(0, 0, Math.floor((i * stream.numExamples) / count));
    for (const { tokens, wordStarts } of b === undefined ? [a] : [a, b]) {
      for (const kind of missing) if (lexicon.match(tokens, wordStarts, kind).length > 0) missing.delete(kind);
    }
  }
  for (const kind of missing) {
    throw new DataError(
      `none of the ${lexicon.numEntries[kind]} spans of kind ${kind} occurs in ${count} examples. Make the span file from this text: firth data spans.`,
      { code: "SPANS_DO_NOT_MATCH", path, details: { kind, count } },
    );
  }
}

/**
 * Knowledge masking: of the words, phrases and names of a sequence some are chosen, each as a whole, and predicted. The
 * first stage knows words only, the second phrases, the third names; they follow each other or are mixed.
 *
 * Terms and metrics are those of {@link maskedTextObjective}. Differs from the authors' code: the share of chosen tokens is
 * exact in every sequence (whole groups as long as they fit) and not only on average; spans come from a list that is
 * looked up in the token sequence, the longest first, and not from a segmenter.
 * @throws {ConfigError} all problems together; {FirthError} TOKENIZER_LACKS_TOKEN
 * @source Sun et al. 2019 §3.2, "ERNIE: Enhanced Representation through Knowledge Integration", arXiv:1904.09223
 */
export function knowledgeMasking(options: KnowledgeMaskingOptions): PretrainingObjective {
  const name = "knowledgeMasking";
  const { tokenizer: _, lexicon, ...rest } = options;
  const { stage = "mixture", shares = { basic: 1 / 3, phrase: 1 / 3, entity: 1 / 3 }, epochsPerStage = 1 } = options;
  const corruption = corruptionOf(name, options, settingIssues(options, shares));
  const used = stages.filter((item) =>
    stage === "mixture" ? shares[item] > 0 : stage === "curriculum" || stage === item,
  );
  const kinds = used.filter((item) => item !== "basic");
  const lacking = kinds.filter((kind) => lexicon.numEntries[kind] === 0);
  if (lacking.length > 0) {
    const message = `must have spans of kind ${lacking.join(" and ")} that the tokenizer can spell, for stage ${stage}.`;
    throw new ConfigError(name, [{ path: "lexicon", message, code: "SPANS_LACK_KIND" }]);
  }

  const stageOf = (epoch: number, random: Random): KnowledgeStage => {
    if (stage === "curriculum") return stages[Math.min(2, Math.floor(epoch / epochsPerStage))]!;
    if (stage !== "mixture") return stage;
    const draw = random.next();
    if (draw < shares.basic) return "basic";
    return draw < shares.basic + shares.phrase ? "phrase" : "entity";
  };

  const objective = maskedTextObjective({
    ...{ name, options, corruption },
    settings: { ...rest, lexicon: lexicon.hash },
    mask: (sequence, vocabulary, { epoch }, random) => {
      const groups = knowledgeGroups(sequence, stageOf(epoch, random), lexicon, vocabulary);
      return maskGroups(sequence.tokens, groups, corruption, vocabulary, random);
    },
  });
  return {
    ...objective,
    examples: (corpus, shortSequenceProbability) => {
      const stream = objective.examples(corpus, shortSequenceProbability);
      checkMatches(stream, lexicon, kinds, corpus.folder);
      return stream;
    },
  };
}
