/** How text is cut into sentences. */
export interface SentenceOptions {
  /**
   * `segment` (default) finds sentences with the Unicode rules of `locale`;
   * `line` takes every line as one sentence, for text that is already divided.
   */
  readonly sentences?: "segment" | "line";
  /** BCP 47 language tag for the sentence rules; `en` unless given. */
  readonly locale?: string;
  /**
   * Joining the lines of a paragraph before sentences are looked for: `auto` (default) where a paragraph looks
   * hard-wrapped, `always`, or `never`.
   */
  readonly unwrap?: "auto" | "always" | "never";
}

/** Lines longer than this are never taken for hard-wrapped. */
const widestWrap = 160;
const eastAsian = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff00-\uffef]/u;

/** English abbreviations and initials that stand before a name, where the Unicode rules see a sentence end. */
const abbreviation =
  /(?:^|[^\p{L}])(?:Mr|Mrs|Ms|Dr|St|Prof|Rev|Hon|Gen|Col|Maj|Capt|Lieut|Lt|Sgt|Gov|Sen|Messrs|Mme|Mlle|vs|[A-HJ-Z])\.$/u;
const longestAbbreviation = 8;

/** Cuts the lines of one paragraph (no blank ones among them) into sentences, trimmed and never empty. */
export type SentenceSplitter = (paragraph: readonly string[]) => string[];

/** Making one costs as much as cutting a page of text. */
const segmenters = new Map<string, Intl.Segmenter>();

function segmenterOf(locale: string): Intl.Segmenter {
  let segmenter = segmenters.get(locale);
  if (segmenter === undefined) {
    segmenter = new Intl.Segmenter(locale, { granularity: "sentence" });
    segmenters.set(locale, segmenter);
  }
  return segmenter;
}

/** A splitter with these settings. */
export function sentenceSplitter(options: SentenceOptions = {}): SentenceSplitter {
  const { sentences = "segment", locale = "en", unwrap = "auto" } = options;
  if (sentences === "line") return (paragraph) => paragraph.map((line) => line.trim()).filter((line) => line !== "");
  const segmenter = segmenterOf(locale);
  const isEnglish = /^en\b/i.test(locale);
  const cut = (text: string, out: string[]) => {
    let held = "";
    for (const { segment } of segmenter.segment(text)) {
      const whole = held + segment;
      held = "";
      const sentence = whole.trim();
      if (isEnglish && abbreviation.test(sentence.slice(-longestAbbreviation))) held = whole;
      else if (sentence !== "") out.push(sentence);
    }
    if (held !== "") out.push(held.trim());
  };
  return (paragraph) => {
    const out: string[] = [];
    const join = paragraph.length > 1 && (unwrap === "always" || (unwrap === "auto" && isHardWrapped(paragraph)));
    if (join) cut(joinLines(paragraph), out);
    else for (const line of paragraph) cut(line, out);
    return out;
  };
}

/**
 * Whether a paragraph looks hard-wrapped: at nearly every line end, the next word would not have fitted
 * into the width of the longest line.
 */
export function isHardWrapped(paragraph: readonly string[]): boolean {
  let width = 0;
  for (const line of paragraph) width = Math.max(width, line.length);
  if (width > widestWrap) return false;
  let full = 0;
  for (let i = 0; i + 1 < paragraph.length; i++) {
    const next = paragraph[i + 1]!.trimStart();
    const space = next.search(/\s/);
    const word = eastAsian.test(next.charAt(0)) ? 1 : space === -1 ? next.length : space;
    // Two columns of grace: typists are not exact.
    if (paragraph[i]!.trimEnd().length + 1 + word >= width - 2) full++;
  }
  return full >= 0.8 * (paragraph.length - 1);
}

/** Joins wrapped lines with a space, or with nothing between East Asian characters. */
function joinLines(paragraph: readonly string[]): string {
  let text = paragraph[0]!.trim();
  for (let i = 1; i < paragraph.length; i++) {
    const line = paragraph[i]!.trim();
    const tight = eastAsian.test(text.charAt(text.length - 1)) && eastAsian.test(line.charAt(0));
    text += tight ? line : ` ${line}`;
  }
  return text;
}
