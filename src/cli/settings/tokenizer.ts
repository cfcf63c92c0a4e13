/** @file Settings for learning a WordPiece vocabulary: the same for recipes and for the command line. */
import {
  booleanField,
  type ConfigOf,
  defineFields,
  integerField,
  listField,
  nullableField,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import type { TrainOptions } from "../../tokenizers/wordpiece-option.ts";

export const tokenizerFields = defineFields({
  vocabSize: integerField({ default: 30_000, min: 1, doc: "Entries in all: special tokens, alphabet and pieces." }),
  minFrequency: integerField({ default: 0, min: 0, doc: "Pairs of pieces seen less often are not merged." }),
  limitAlphabet: nullableField(integerField({ min: 1, doc: "Most frequent characters to keep; null: all." })),
  initialAlphabet: nullableField(listField(textField({ doc: "" }), { doc: "Characters to keep even if not seen." })),
  specialTokens: nullableField(listField(textField({ doc: "" }), { doc: "First entries; null: the five of BERT." })),
  lowercase: booleanField({ default: true, doc: "Make all letters small." }),
  stripAccents: nullableField(booleanField({ doc: "Remove accents; null: as lowercase." })),
  handleChineseChars: booleanField({ default: true, doc: "Make every Chinese character a word." }),
  cleanText: booleanField({ default: true, doc: "Remove control characters, even out white space." }),
  continuingSubwordPrefix: textField({ default: "##", doc: "Marks a piece that continues a word." }),
  maxInputCharsPerWord: integerField({ default: 100, min: 1, doc: "Longer words become the unknown token." }),
  unkToken: textField({ default: "[UNK]", doc: "Stands for what the vocabulary cannot spell." }),
  padToken: textField({ default: "[PAD]", doc: "Fills rows." }),
  clsToken: textField({ default: "[CLS]", doc: "Begins a sequence." }),
  sepToken: textField({ default: "[SEP]", doc: "Ends a segment." }),
  maskToken: textField({ default: "[MASK]", doc: "Stands for a word to be guessed." }),
  modelMaxLength: nullableField(integerField({ min: 1, doc: "Longest sequence, for tokenizer_config.json." })),
});

export const tokenizerTable = defineConfig({ name: "tokenizer.train", fields: tokenizerFields });

export type TokenizerSettings = ConfigOf<typeof tokenizerFields>;

/** The settings as the trainer takes them: what is null is left to it. */
export function trainerOptions(settings: TokenizerSettings): TrainOptions {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null)) as TrainOptions;
}
