/**
 * @file English words without their endings: Porter's algorithm with the extensions of NLTK, which ROUGE's package uses.
 *
 * A rule replaces an ending where its condition on what is left holds. Of a list of rules only the first whose ending fits
 * is tried, whether its condition then holds or not.
 */

type Condition = (stem: string, word: string) => boolean;
type Rule = readonly [ending: string, replacement: string, condition?: Condition];

const isVowel = (letter: string): boolean => "aeiou".includes(letter);

/** Consonants are all but a, e, i, o, u, and a y that follows a consonant. */
function isConsonant(word: string, index: number): boolean {
  const letter = word[index]!;
  if (isVowel(letter)) return false;
  if (letter !== "y") return true;
  // Several y in a row take turns.
  let first = index;
  while (first > 0 && word[first - 1] === "y") first--;
  const firstIs = first === 0 || isVowel(word[first - 1]!);
  return (index - first) % 2 === 0 ? firstIs : !firstIs;
}

/** How often a consonant follows a vowel: m in [C](VC)ᵐ[V]. */
function measure(stem: string): number {
  let count = 0;
  for (let i = 1; i < stem.length; i++) if (isConsonant(stem, i) && !isConsonant(stem, i - 1)) count++;
  return count;
}

function containsVowel(stem: string): boolean {
  return Array.from(stem, (_, i) => isConsonant(stem, i)).includes(false);
}

function endsWithDouble(word: string): boolean {
  return word.length >= 2 && word.at(-1) === word.at(-2) && isConsonant(word, word.length - 1);
}

/** Consonant, vowel, consonant other than w, x, y at the end; NLTK adds words of a vowel and a consonant. */
function endsShort(word: string): boolean {
  const last = word.length - 1;
  if (word.length === 2) return !isConsonant(word, 0) && isConsonant(word, 1);
  if (word.length < 2) return false;
  const shape = isConsonant(word, last - 2) && !isConsonant(word, last - 1) && isConsonant(word, last);
  return shape && !"wxy".includes(word[last]!);
}

function apply(word: string, rules: readonly Rule[]): string {
  for (const [ending, replacement, condition] of rules) {
    if (!word.endsWith(ending)) continue;
    const stem = word.slice(0, word.length - ending.length);
    return condition === undefined || condition(stem, word) ? stem + replacement : word;
  }
  return word;
}

const measured: Condition = (stem) => measure(stem) > 0;
const long: Condition = (stem) => measure(stem) > 1;

/** Plurals. */
function step1a(word: string): string {
  if (word.endsWith("ies") && word.length === 4) return word.slice(0, -1);
  return apply(word, [
    ["sses", "ss"],
    ["ies", "i"],
    ["ss", "ss"],
    ["s", ""],
  ]);
}

/** -ed and -ing, and the e or the single consonant that they had replaced. */
function step1b(word: string): string {
  if (word.endsWith("ied")) return word.slice(0, word.length === 4 ? -1 : -2);
  if (word.endsWith("eed")) return apply(word, [["eed", "ee", measured]]);
  const ending = ["ed", "ing"].find((one) => word.endsWith(one) && containsVowel(word.slice(0, -one.length)));
  if (ending === undefined) return word;
  const stem = word.slice(0, -ending.length);
  if (/(at|bl|iz)$/.test(stem)) return `${stem}e`;
  if (endsWithDouble(stem)) return "lsz".includes(stem.at(-1)!) ? stem : stem.slice(0, -1);
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem;
}

/** A final y after a consonant. */
function step1c(word: string): string {
  return apply(word, [["y", "i", (stem) => stem.length > 1 && isConsonant(stem, stem.length - 1)]]);
}

const pairs = (condition: Condition, text: string): Rule[] =>
  text.split(" ").map((pair) => {
    const [ending = "", replacement = ""] = pair.split(">");
    return [ending, replacement, condition];
  });

const step2Rules: readonly Rule[] = [
  ...pairs(measured, "ational>ate tional>tion enci>ence anci>ance izer>ize bli>ble alli>al entli>ent eli>e ousli>ous"),
  ...pairs(measured, "ization>ize ation>ate ator>ate alism>al iveness>ive fulness>ful ousness>ous aliti>al iviti>ive"),
  ...pairs(measured, "biliti>ble fulli>ful"),
  // The l counts as part of the stem, so that "geologi" has one.
  ["logi", "log", (_, word) => measure(word.slice(0, -3)) > 0],
];

/** Double endings become single ones. */
function step2(word: string): string {
  if (word.endsWith("alli") && measured(word.slice(0, -4), word)) return step2(word.slice(0, -2));
  return apply(word, step2Rules);
}

const step3Rules = pairs(measured, "icate>ic ative> alize>al iciti>ic ical>ic ful> ness>");

const step4Rules: readonly Rule[] = [
  ...pairs(long, "al> ance> ence> er> ic> able> ible> ant> ement> ment> ent>"),
  ["ion", "", (stem, word) => long(stem, word) && /[st]$/.test(stem)],
  ...pairs(long, "ou> ism> ate> iti> ous> ive> ize>"),
];

/** A final e, and one of two l. */
function step5(word: string): string {
  const shortened = apply(word, [["e", "", (stem) => measure(stem) > 1 || (measure(stem) === 1 && !endsShort(stem))]]);
  return apply(shortened, [["ll", "l", (_, whole) => measure(whole.slice(0, -1)) > 1]]);
}

const irregular: ReadonlyMap<string, string> = new Map(
  Object.entries({
    sky: ["sky", "skies"],
    die: ["dying"],
    lie: ["lying"],
    tie: ["tying"],
    news: ["news"],
    inning: ["innings", "inning"],
    outing: ["outings", "outing"],
    canning: ["cannings", "canning"],
    howe: ["howe"],
    proceed: ["proceed"],
    exceed: ["exceed"],
    succeed: ["succeed"],
  }).flatMap(([stem, words]) => words.map((word) => [word, stem] as const)),
);

/**
 * The stem of a lower-case English word.
 * @source Porter 1980, with the changes of NLTK's `PorterStemmer` (mode NLTK_EXTENSIONS)
 */
export function porterStem(word: string): string {
  const known = irregular.get(word);
  if (known !== undefined) return known;
  if (word.length <= 2) return word;
  const step3 = apply(step2(step1c(step1b(step1a(word)))), step3Rules);
  return step5(apply(step3, step4Rules));
}
