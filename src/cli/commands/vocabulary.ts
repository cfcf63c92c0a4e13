/** @file `firth vocabulary` and `firth positions`: a model with other words, symbols, or room for longer texts. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { addVocabulary, extendPositionTable, swapVocabulary, symbolVocabulary } from "../../api/vocabulary.ts";
import { ConfigError, DataError } from "../../base/errors.ts";
import {
  booleanField,
  choiceField,
  defineFields,
  integerField,
  listField,
  nullableField,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import { positionMethods } from "../../transfer/vocabulary/extend-positions.ts";
import { defineCommand, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { count, table } from "../number-text.ts";
import { requireNewFolder } from "../output-folder.ts";

const seed = integerField({ default: 0, min: 0, doc: "Of what is chosen or drawn." });
const rows = choiceField(["pieces", "mean", "random"], {
  default: "pieces",
  doc: "What new rows are: the mean of those of the old pieces, the mean of all, or drawn.",
});

function modelCommand(name: string, summary: string): Command {
  return defineCommand(name, summary)
    .argument("<model>", "folder of a pre-trained or fine-tuned model; it stays as it is")
    .requiredOption("-o, --out <folder>", "new folder for the changed model");
}

const addFields = defineFields({
  rows,
  special: booleanField({ default: false, doc: "The tokens are no text: never masked, left out of decoded text." }),
  wholeWords: nullableField(
    booleanField({ doc: "Find them as whole words only; by default so, but for scripts without spaces." }),
  ),
  seed,
});
const addTable = defineConfig({ name: "vocabulary add", fields: addFields });

/** Tokens of the command line, or of a file with one a line. */
async function tokensOf(given: {
  readonly tokens?: readonly string[];
  readonly file?: string;
}): Promise<readonly string[]> {
  const { tokens, file } = given;
  if ((tokens === undefined) === (file === undefined)) {
    const message = "must be given, or --file instead: one of the two.";
    throw new ConfigError("vocabulary add", [{ path: "--tokens", message, code: "CONFIG_AMBIGUOUS" }]);
  }
  if (file === undefined) return tokens!;
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new DataError(`cannot be read (${cause.code ?? "unknown"}). Name a file with one token a line.`, {
      code: "FILE_MISSING",
      path: file,
      cause,
    });
  });
  return text.split(/\r?\n/).filter((line) => line !== "");
}

function addCommand(): Command {
  const command = modelCommand("add", "add tokens to a model and its tokenizer")
    .option("-t, --tokens <tokens...>", "the tokens")
    .option("-f, --file <path>", "a file with one token a line");
  addFieldOptions(command, addFields);
  return runs(command, async (session, given, [model]) => {
    const { wholeWords, ...settings } = addTable.resolve(fieldValues(given, addFields));
    const tokens = await tokensOf(given as { readonly tokens?: readonly string[]; readonly file?: string });
    const { out } = given as { readonly out: string };
    await requireNewFolder(out);
    const options = { ...settings, tokens, outputDir: out, ...(wholeWords === null ? {} : { wholeWords }) };
    const result = await addVocabulary(model!, options);
    const without = settings.rows === "random" ? "drawn" : "mean of all";
    const shown = result.added.slice(0, 20).map(({ token, id, pieces }): [string, string] => {
      return [token, `${id}, ${pieces.length === 0 ? without : `mean of ${pieces.join(" ")}`}`];
    });
    const rest = result.added.length > shown.length ? [["…", `${result.added.length} in all`] as const] : [];
    session.result(
      { model, ...result },
      table([["model", out], ["vocabulary", count(result.vocabSize)], ...shown, ...rest]),
    );
  });
}

const swapFields = defineFields({ rows, seed });
const swapTable = defineConfig({ name: "vocabulary swap", fields: swapFields });

function swapCommand(): Command {
  const command = modelCommand(
    "swap",
    "give a model another tokenizer; rows of tokens that both have go along",
  ).requiredOption("-t, --tokenizer <folder>", "the new tokenizer: its folder or file");
  addFieldOptions(command, swapFields);
  return runs(command, async (session, given, [model]) => {
    const settings = swapTable.resolve(fieldValues(given, swapFields));
    const { out, tokenizer } = given as { readonly out: string; readonly tokenizer: string };
    await requireNewFolder(out);
    const options = { ...settings, outputDir: out, tokenizer: await loadTokenizer(tokenizer) };
    const result = await swapVocabulary(model!, options);
    const text = table([
      ["model", out],
      ["vocabulary", count(result.vocabSize)],
      ["rows kept", count(result.shared)],
      ["means of pieces", count(result.fromPieces)],
      ["mean of all", count(result.fromMean)],
      ["drawn", count(result.drawn)],
      ["old tokens dropped", count(result.dropped)],
    ]);
    session.result({ model, tokenizer, ...result }, text);
  });
}

const symbolFields = defineFields({
  alphabet: nullableField(textField({ doc: "The symbols, a character each, as ACGT." })),
  symbols: nullableField(listField(textField({ doc: "" }), { doc: "Symbols of any length, instead of the alphabet." })),
  perToken: integerField({ default: 1, min: 1, doc: "Symbols that a token holds." }),
  separated: booleanField({ default: false, doc: "Symbols are words: white space is between them." }),
  ignoreCase: booleanField({ default: true, doc: "Small and capital letters are the same symbol." }),
  rows: choiceField(["tokens", "random"], {
    default: "tokens",
    doc: "Rows of ordinary tokens chosen at random, or drawn anew (the control).",
  }),
  seed,
});
const symbolTable = defineConfig({ name: "vocabulary symbols", fields: symbolFields });

function symbolsCommand(): Command {
  const command = modelCommand("symbols", "make a model of text one of symbols: DNA, proteins, music");
  addFieldOptions(command, symbolFields);
  return runs(command, async (session, given, [model]) => {
    const { alphabet, symbols, ...settings } = symbolTable.resolve(fieldValues(given, symbolFields));
    if ((alphabet === null) === (symbols === null)) {
      const message = "must be given, or --symbols instead: one of the two.";
      throw new ConfigError("vocabulary symbols", [{ path: "--alphabet", message, code: "CONFIG_AMBIGUOUS" }]);
    }
    const { out } = given as { readonly out: string };
    await requireNewFolder(out);
    const result = await symbolVocabulary(model!, { ...settings, alphabet: (alphabet ?? symbols)!, outputDir: out });
    const shown = result.symbols.slice(0, 20).map(({ symbol, token }) => [symbol, token ?? "drawn"] as const);
    const rest = result.symbols.length > shown.length ? [["…", `${result.symbols.length} in all`] as const] : [];
    session.result(
      { model, ...result },
      table([["model", out], ["vocabulary", count(result.vocabSize)], ...shown, ...rest]),
    );
  });
}

/** `firth vocabulary add|swap|symbols`. */
export function vocabularyCommands(group: Command): Command {
  return group
    .description("models with other words")
    .addCommand(addCommand())
    .addCommand(swapCommand())
    .addCommand(symbolsCommand());
}

const positionFields = defineFields({
  length: integerField({ min: 1, doc: "Longest sequence, in tokens." }),
  method: choiceField(positionMethods, {
    default: "interpolate",
    doc: "New places between the old ones, or the old ones over again.",
  }),
});
const positionTable = defineConfig({ name: "positions extend", fields: positionFields });

function extendCommand(): Command {
  const command = modelCommand("extend", "make a model take longer sequences");
  addFieldOptions(command, positionFields);
  return runs(command, async (session, given, [model]) => {
    const { length, method } = positionTable.resolve(fieldValues(given, positionFields) as { length: number });
    const { out } = given as { readonly out: string };
    await requireNewFolder(out);
    const result = await extendPositionTable(model!, { maxPositionEmbeddings: length, method, outputDir: out });
    const text = table([
      ["model", out],
      ["longest sequence", `${count(result.maxPositionEmbeddings)} tokens, before ${count(result.before)}`],
    ]);
    session.result({ model, method, ...result }, text);
  });
}

/** `firth positions extend`. */
export function positionCommands(group: Command): Command {
  return group.description("models with room for longer texts").addCommand(extendCommand());
}
