/** @file Settings for learning a tokenizer: the same for recipes and for the command line. */
import type { ConfigIssue } from "../../base/errors.ts";
import {
  booleanField,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  listField,
  nullableField,
  numberField,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import {
  type TokenizerKind,
  type TokenizerTraining,
  tokenizerKinds,
  tokenizerPresets,
} from "../../tokenizers/train.ts";

const families = Object.keys(tokenizerPresets) as (keyof typeof tokenizerPresets)[];
const role = (doc: string) => nullableField(textField({ doc }));

export const tokenizerFields = defineFields({
  kind: nullableField(choiceField([...tokenizerKinds], { doc: "Kind of tokenizer; null: as preset, else wordpiece." })),
  preset: nullableField(choiceField(families, { doc: "The tokenizer of a family: its kind and special tokens." })),
  vocabSize: integerField({ default: 30_000, min: 1, doc: "Entries in all: special tokens, alphabet and pieces." }),
  minFrequency: nullableField(
    integerField({ min: 0, doc: "Pairs of pieces seen less often are not merged; null: 0 for wordpiece, 2 for bpe." }),
  ),
  limitAlphabet: nullableField(integerField({ min: 1, doc: "Most frequent characters to keep; null: all." })),
  initialAlphabet: nullableField(listField(textField({ doc: "" }), { doc: "Characters to keep even if not seen." })),
  maxTokenLength: nullableField(integerField({ min: 1, doc: "Pieces of so many characters are not made." })),
  specialTokens: nullableField(listField(textField({ doc: "" }), { doc: "First entries; null: those with a role." })),
  lowercase: nullableField(booleanField({ doc: "Make all letters small; null: yes except byteBpe." })),
  stripAccents: nullableField(booleanField({ doc: "Remove accents; null: as lowercase." })),
  nfkc: nullableField(booleanField({ doc: "unigram: compose characters (NFKC); null: yes." })),
  handleChineseChars: nullableField(booleanField({ doc: "Make every Chinese character a word; null: yes." })),
  cleanText: nullableField(booleanField({ doc: "Remove control characters, even out white space; null: yes." })),
  continuingSubwordPrefix: role("Marks a piece that continues a word; null: ## for wordpiece, else none."),
  endOfWordSuffix: role("bpe: marks a piece that ends a word; null: </w>."),
  maxInputCharsPerWord: nullableField(
    integerField({ min: 1, doc: "wordpiece: longer words become the unknown token; null: 100." }),
  ),
  byteFallback: nullableField(booleanField({ doc: "bpe, unigram: spell unknown characters by their bytes." })),
  fuseUnk: nullableField(booleanField({ doc: "bpe: one unknown token for several characters." })),
  dropout: nullableField(numberField({ min: 0, max: 1, doc: "bpe, byteBpe: merges left out when encoding." })),
  addPrefixSpace: nullableField(booleanField({ doc: "byteBpe: put a space before a text that has none." })),
  trimOffsets: nullableField(booleanField({ doc: "byteBpe: places leave out white space." })),
  seedSize: nullableField(integerField({ min: 1, doc: "unigram: pieces to begin with; null: 1 000 000." })),
  maxPieceLength: nullableField(integerField({ min: 1, doc: "unigram: characters in the longest piece; null: 16." })),
  shrinkingFactor: nullableField(
    numberField({ min: 0, max: 1, doc: "unigram: share of the pieces that stays each time; null: 0.75." }),
  ),
  numSubIterations: nullableField(
    integerField({ min: 1, doc: "unigram: rounds of estimation before pieces are dropped; null: 2." }),
  ),
  unkToken: role("Stands for what the vocabulary cannot spell."),
  padToken: role("Fills rows."),
  clsToken: role("Begins a sequence."),
  sepToken: role("Ends a segment."),
  maskToken: role("Stands for a word to be guessed."),
  bosToken: role("Begins a text that is generated."),
  eosToken: role("Ends a text."),
  modelMaxLength: nullableField(integerField({ min: 1, doc: "Longest sequence, for tokenizer_config.json." })),
});

export type TokenizerSettings = ConfigOf<typeof tokenizerFields>;

const common = ["kind", "preset", "vocabSize", "initialAlphabet", "specialTokens", "modelMaxLength"];
const roles = ["unkToken", "padToken", "clsToken", "sepToken", "maskToken"];
const bertText = ["lowercase", "stripAccents", "handleChineseChars", "cleanText", "continuingSubwordPrefix"];
const merging = ["minFrequency", "maxTokenLength"];
const generation = ["bosToken", "eosToken"];

/** Settings that each kind knows. */
const known: Readonly<Record<TokenizerKind, readonly string[]>> = {
  wordpiece: [...common, ...roles, ...merging, ...bertText, "limitAlphabet", "maxInputCharsPerWord"],
  bpe: [
    ...[...common, ...roles, ...generation, ...merging, ...bertText, "limitAlphabet"],
    ...["endOfWordSuffix", "byteFallback", "fuseUnk", "dropout"],
  ],
  byteBpe: [...common, ...roles, ...generation, ...merging, "addPrefixSpace", "trimOffsets", "dropout"],
  unigram: [
    ...[...common, ...roles, ...generation, "lowercase", "stripAccents", "nfkc", "byteFallback"],
    ...["seedSize", "maxPieceLength", "shrinkingFactor", "numSubIterations"],
  ],
};

type Choice = Pick<TokenizerSettings, "kind" | "preset">;

function kindOf({ kind, preset }: Choice): TokenizerKind {
  return kind ?? (preset === null ? "wordpiece" : tokenizerPresets[preset].kind);
}

export const tokenizerTable = defineConfig({
  name: "tokenizer.train",
  fields: tokenizerFields,
  rules: (settings): ConfigIssue[] => {
    const { kind, preset } = settings;
    const resolved = kindOf(settings);
    const issues: ConfigIssue[] = [];
    if (preset !== null && kind !== null && tokenizerPresets[preset].kind !== kind) {
      const message = `must be left out or ${tokenizerPresets[preset].kind}, the kind of preset ${preset}; got ${kind}.`;
      issues.push({ path: "kind", message, code: "CONFIG_AMBIGUOUS" });
    }
    for (const [name, value] of Object.entries(settings)) {
      if (value === null || known[resolved].includes(name)) continue;
      const others = tokenizerKinds.filter((other) => known[other].includes(name)).join(", ");
      const message = `is for ${others}; got kind ${resolved}. Leave it out.`;
      issues.push({ path: name, message, code: "TOKENIZER_OPTION_KIND" });
    }
    return issues;
  },
});

/** The settings as the trainer takes them: what is null is left to the preset, then to the kind. */
export function tokenizerTraining(settings: TokenizerSettings): TokenizerTraining {
  const { kind: _kind, preset, ...rest } = settings;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  const usual: TokenizerTraining | undefined = preset === null ? undefined : tokenizerPresets[preset];
  return { kind: kindOf(settings), options: { ...usual?.options, ...given } } as TokenizerTraining;
}

/** Settings of a recipe with the tokenizer of the model's family, where they name neither a kind nor a preset. */
export function withFamilyPreset(settings: unknown, family: string | undefined): unknown {
  const given = settings ?? {};
  if (typeof given !== "object" || Array.isArray(given) || !families.some((name) => name === family)) return settings;
  const { kind, preset } = given as { readonly kind?: unknown; readonly preset?: unknown };
  return (kind ?? preset ?? null) === null ? { ...given, preset: family } : settings;
}
