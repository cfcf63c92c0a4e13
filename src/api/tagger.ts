/** @file Taggers: loading, saving, and what they say of sentences. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { joinWords, TextPositions, type TextSpan, wordSpans } from "../data/alignment.ts";
import type { TaggedSource } from "../data/tagged-sentence.ts";
import { areEntityTags, type Entity, entitiesOf, type TagScheme, tagSchemes } from "../evaluation/index.ts";
import type { JsonObject } from "../formats/json-text.ts";
import { familyOf } from "../models/families.ts";
import type { LoadedState } from "../models/family.ts";
import type { TokenModel } from "../models/model.ts";
import {
  allowedChain,
  type ChainScores,
  chainParameters,
  chainTags,
  freeChain,
  independentTags,
  type TagDecoder,
} from "../tasks/tag-decoder.ts";
import { readTagged, tagWindows, unknownTagsNotice, usualOverlap } from "../tasks/tagging-data.ts";
import { type TaggingResult, taggingResult, type WordTag, wordTags } from "../tasks/tagging-evaluation.ts";
import { TokenClassifierProgram } from "../tasks/token-classifier-program.ts";
import { loadTokenizer } from "../tokenizers/load.ts";
import { quantizeIssues } from "../train/fixed-weights.ts";
import { maxLengthIn } from "./load.ts";
import type { TextModel } from "./model.ts";
import { type OpenOptions, openModel } from "./opened.ts";

/** A model that gives a tag to every word. */
export interface Tagger extends TextModel<TokenModel> {
  readonly labels: readonly string[];
  /** Longest window in tokens that it was fine-tuned with. */
  readonly maxSeqLength: number;
}

export interface LoadedTagger extends Tagger, Omit<LoadedState<TokenModel>, "labels"> {}

/**
 * Loads the directory of a fine-tuned tagger (`…ForTokenClassification`).
 * @throws {CheckpointError} WRONG_HEAD, NOT_A_CLASSIFIER, and for missing or damaged files or tensors that do not fit
 */
export async function loadTagger(folder: string): Promise<LoadedTagger> {
  const family = await familyOf(folder);
  const { labels, ...state } = await family.loadTokenClassification(folder, 0);
  const { maxPositionEmbeddings } = family.facts(state.config);
  return {
    ...state,
    tokenizer: await loadTokenizer(folder),
    labels: labels ?? Array.from({ length: state.module.numOutputs }, (_, i) => `LABEL_${i}`),
    maxSeqLength: Math.min(maxPositionEmbeddings, await maxLengthIn(folder)),
  };
}

/** Where config.json says that only tags of a scheme are predicted that keep its rules. */
const SCHEME_KEY = "tag_scheme";

/** What config.json says of a tagger that predicts no tags against the rules of a scheme. */
export function constraintFacts(scheme: TagScheme | null): JsonObject {
  return scheme === null ? {} : { [SCHEME_KEY]: scheme };
}

/** Scores of neighbouring tags: those of the loss, and those that decide, which leave out what a scheme does not allow. */
export interface TagChain {
  readonly chain: ChainScores;
  readonly allowed: ChainScores;
}

/**
 * The scores of neighbouring tags; undefined where each word is tagged alone.
 * @param weightOf numbers of a parameter by its name
 */
export async function tagChain(
  { module, labels, preserved }: Pick<Tagger, "module" | "labels" | "preserved">,
  weightOf: (name: string) => Promise<Float32Array> | Float32Array,
): Promise<TagChain | undefined> {
  const scheme = tagSchemes.find((known) => known === preserved?.[SCHEME_KEY]);
  if (module.crf === undefined && scheme === undefined) return undefined;
  let chain: ChainScores = freeChain(labels.length);
  if (module.crf !== undefined) {
    const { transitions, starts, ends } = chainParameters;
    chain = { transitions: await weightOf(transitions), starts: await weightOf(starts), ends: await weightOf(ends) };
  }
  return { chain, allowed: scheme === undefined ? chain : allowedChain(chain, labels, scheme) };
}

/**
 * What decides on a tagger's tags: each word alone, or the best path where it scores neighbouring tags or keeps a scheme's rules.
 * @param weightOf numbers of a parameter by its name
 */
export async function tagDecoder(...given: Parameters<typeof tagChain>): Promise<TagDecoder> {
  const found = await tagChain(...given);
  return found === undefined ? independentTags : chainTags(found.chain, found.allowed);
}

/** A word and its tag, and where it lies in the text: in UTF-16 code units, and in code points. */
export interface TaggedWord extends WordTag, TextSpan {
  readonly word: string;
  readonly codePointStart: number;
  readonly codePointEnd: number;
}

/** An entity of a text: words from `firstWord` to before `endWord`, and where it lies. */
export interface TextEntity extends TextSpan {
  readonly type: string;
  readonly text: string;
  readonly firstWord: number;
  readonly endWord: number;
  readonly codePointStart: number;
  readonly codePointEnd: number;
  /** Mean of the probabilities of its tags. */
  readonly probability: number;
}

export interface TaggedText {
  /** The text; of words given one by one, these joined by spaces. */
  readonly text: string;
  readonly words: readonly TaggedWord[];
  /** What the tags mark, faulty ones mended as in evaluation; undefined where the labels mark no entities. */
  readonly entities: readonly TextEntity[] | undefined;
}

export interface TagOptions extends OpenOptions {
  /** Windows computed together; 32 by default. */
  readonly batchSize?: number | undefined;
  /** Tokens that neighbouring windows of a long text have in common, half a window at most; 32 by default, or a quarter of shorter windows. */
  readonly overlap?: number | undefined;
  /** Language by whose rules running texts are cut into words (BCP 47); `en` by default. */
  readonly locale?: string | undefined;
}

/** A tagger in an engine, ready for many calls; dispose it when done. */
export interface TagPredictor {
  /** Tags of sentences, in their order: of their words, or of running texts, which are cut by Unicode's rules. */
  tag(sentences: readonly (string | readonly string[])[]): Promise<TaggedText[]>;
  /** Figures on tagged sentences; tags that the model does not have count as wrong. */
  evaluate(
    source: TaggedSource,
    options?: {
      /** What tags are converted to; by default BIOES or IOB2, by the model's labels; null keeps them. */
      readonly scheme?: TagScheme | null | undefined;
    },
  ): Promise<TaggingResult>;
  dispose(): Promise<void>;
}

function described(
  text: string,
  spans: readonly TextSpan[],
  tags: readonly WordTag[],
  marksEntities: boolean,
): TaggedText {
  const positions = new TextPositions(text);
  const place = (start: number, end: number) => ({
    ...{ start, end },
    codePointStart: positions.toCodePoint(start),
    codePointEnd: positions.toCodePoint(end),
  });
  const words = tags.map(({ tag, probability }, i) => {
    const { start, end } = spans[i]!;
    return { word: text.slice(start, end), tag, probability, ...place(start, end) };
  });
  const entityOf = ({ type, start: firstWord, end: endWord }: Entity): TextEntity => {
    const [start, end] = [spans[firstWord]!.start, spans[endWord - 1]!.end];
    const own = tags.slice(firstWord, endWord);
    const probability = own.reduce((sum, { probability: share }) => sum + share, 0) / own.length;
    return { type, text: text.slice(start, end), firstWord, endWord, ...place(start, end), probability };
  };
  const names = tags.map(({ tag }) => tag);
  return { text, words, entities: marksEntities ? entitiesOf(names).map(entityOf) : undefined };
}

function checkOptions({ batchSize = 32, overlap = 0, quantize = "none", dtype = "f32" }: TagOptions): void {
  const issues: ConfigIssue[] = quantizeIssues(quantize, dtype);
  const whole = (path: string, value: number, least: number): void => {
    if (Number.isInteger(value) && value >= least) return;
    issues.push({ path, message: `must be a whole number ≥ ${least}; got ${value}.`, code: "CONFIG_RANGE" });
  };
  whole("batchSize", batchSize, 1);
  whole("overlap", overlap, 0);
  if (issues.length > 0) throw new ConfigError("tagger", issues);
}

/**
 * Puts a tagger into an engine.
 * @throws {ConfigError} for wrong options
 */
export async function openTagger(tagger: Tagger, options: TagOptions = {}): Promise<TagPredictor> {
  checkOptions(options);
  const { tokenizer, labels, module, family, maxSeqLength } = tagger;
  const { batchSize = 32, locale = "en" } = options;
  const overlap = Math.min(options.overlap ?? usualOverlap(maxSeqLength), Math.floor(maxSeqLength / 2));
  const encoding = { tokenizer, framing: family.framing, maxSeqLength, overlap };
  const padId = tokenizer.special.pad;
  const { program, check, dispose } = await openModel("tagger", tagger, options, (place) => {
    return new TokenClassifierProgram({ ...place, model: module, batchSize, maxSeqLength, padId });
  });
  const decoder = await tagDecoder(tagger, (name) => tagger.weights.get(name)!);
  const marksEntities = areEntityTags(labels);
  return {
    tag: async (sentences) => {
      check();
      const cut = sentences.map((sentence) =>
        typeof sentence === "string" ? { text: sentence, spans: wordSpans(sentence, locale) } : joinWords(sentence),
      );
      const words = cut.map(({ text, spans }) => spans.map(({ start, end }) => text.slice(start, end)));
      // Sentences without a word have no window, and no tags.
      const full = words.flatMap((list, i) => (list.length === 0 ? [] : [i]));
      const windows = await tagWindows(
        encoding,
        full.map((i) => words[i]!),
        () => 0,
      );
      const logits = await program.logits(windows);
      const lengths = full.map((i) => words[i]!.length);
      const found = wordTags(windows, logits, labels, lengths, decoder);
      const tags = words.map((): WordTag[] => []);
      full.forEach((i, n) => {
        tags[i] = found[n]!;
      });
      return cut.map(({ text, spans }, i) => described(text, spans, tags[i]!, marksEntities));
    },
    evaluate: async (source, { scheme = schemeOf(labels) } = {}) => {
      check();
      const data = await readTagged(source, { ...encoding, scheme }, labels);
      const unknown = unknownTagsNotice(data);
      if (unknown !== undefined) options.onNotice?.(`${data.name}: ${unknown}`);
      return taggingResult(data, await program.logits(data.windows), decoder);
    },
    dispose,
  };
}

/** The scheme that labels are in, as far as they tell. */
export function schemeOf(labels: readonly string[]): TagScheme | null {
  if (labels.some((label) => /^[ES]-/.test(label))) return "BIOES";
  return labels.some((label) => label.startsWith("B-")) ? "IOB2" : null;
}
