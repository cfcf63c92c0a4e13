import type { Command } from "commander";
import { FirthError } from "../../base/errors.ts";
import { writeFolderAtomic } from "../../formats/atomic.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { inspectTokenizer, type TokenizerReport } from "../../tokenizers/inspect.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import { defineCommand, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { count, percent, table } from "../number-text.ts";
import { requireNewFolder } from "../output-folder.ts";
import { formatDuration } from "../progress/index.ts";
import { openText, textFields } from "../settings/text.ts";
import { tokenizerFields, tokenizerTable } from "../settings/tokenizer.ts";
import { learnTokenizer } from "../steps.ts";

export const textTable = defineConfig({ name: "text", fields: textFields });

function trainCommand(): Command {
  const command = defineCommand("train", "learn a tokenizer from text: WordPiece, BPE of characters or bytes, Unigram")
    .requiredOption("-i, --input <paths...>", "text files, tables or folders; also gzipped")
    .requiredOption("-o, --out <folder>", "new folder for tokenizer.json and its companions")
    .option("--cased", "keep capital letters and accents (--no-lowercase)");
  addFieldOptions(command, tokenizerFields);
  addFieldOptions(command.optionsGroup("Reading text:"), textFields);
  return runs(command, async (session, given) => {
    const values = fieldValues(given, tokenizerFields);
    const settings = tokenizerTable.resolve(given.cased === true ? { ...values, lowercase: false } : values);
    const folder = given.out as string;
    await requireNewFolder(folder);
    const source = await openText(given.input as string[], textTable.resolve(fieldValues(given, textFields)));
    const started = performance.now();
    const tokenizer = await learnTokenizer(session, source, settings);
    await writeFolderAtomic(folder, (temporary) => tokenizer.save(temporary));
    const seconds = (performance.now() - started) / 1000;
    const result = { folder, vocabSize: tokenizer.vocabSize, hash: tokenizer.hash, seconds };
    session.result(result, `${folder}: ${count(tokenizer.vocabSize)} entries, learned in ${formatDuration(seconds)}`);
    if (tokenizer.vocabSize < settings.vocabSize) {
      session.say(`The text has no more pieces to merge: ${settings.vocabSize} entries were asked for.`);
    }
  });
}

function reportText(report: TokenizerReport): string {
  const rows: [string, string | number][] = [
    ["entries", count(report.vocabSize)],
    ["hash", report.hash.slice(0, 16)],
    ["special tokens", report.specialTokens.map(({ id, token }) => `${token} ${id}`).join(", ")],
    ["longest entries", report.longestPieces.join(" ")],
  ];
  if (report.numTexts > 0) {
    rows.push(
      ["texts", count(report.numTexts)],
      ["words, pieces", `${count(report.numWords)}, ${count(report.numPieces)}`],
      ["pieces a word", report.fertility.toFixed(3)],
      ["characters a piece", report.charactersPerPiece.toFixed(2)],
      ["unknown words", percent(report.unknownRate)],
      ["words of one piece", percent(report.wholeWordRate)],
      ["entries that occur", count(report.usedEntries)],
    );
  }
  const samples = report.samples.map(({ tokens }) => `  ${tokens.join(" ")}`);
  return [table(rows), ...samples].join("\n");
}

function inspectCommand(): Command {
  const command = defineCommand("inspect", "show a tokenizer, and how it fits some text")
    .argument("<tokenizer>", "tokenizer folder, tokenizer.json, spiece.model or vocab.txt")
    .option("-i, --input <paths...>", "text to measure it on")
    .option("-t, --text <texts...>", "texts to encode");
  addFieldOptions(command.optionsGroup("Reading text:"), textFields);
  return runs(command, async (session, given, [path]) => {
    const tokenizer = await loadTokenizer(path!);
    const { input, text } = given as { readonly input?: string[]; readonly text?: string[] };
    if (input !== undefined && text !== undefined) {
      throw new FirthError("give --input or --text, not both.", {
        code: "CONFIG_AMBIGUOUS",
        path: "tokenizer inspect",
      });
    }
    const settings = textTable.resolve(fieldValues(given, textFields));
    const texts = input === undefined ? (text ?? []) : (await openText(input, settings)).lines();
    const options = text === undefined ? {} : { numSamples: text.length };
    const report = await inspectTokenizer(tokenizer, texts, options);
    session.result(report, reportText(report));
  });
}

/** `firth tokenizer train|inspect`. */
export function tokenizerCommands(group: Command): Command {
  return group.description("learn and look at vocabularies").addCommand(trainCommand()).addCommand(inspectCommand());
}
