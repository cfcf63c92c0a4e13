import process from "node:process";
import type { Command } from "commander";
import type { CorpusManifest } from "../../data/manifest.ts";
import { type PrepareProgress, prepareCorpus } from "../../data/prepare-corpus.ts";
import { inspectCorpus } from "../../data/sharded-corpus.ts";
import { type ConfigOf, defineFields, integerField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import { defineCommand, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { bytes, count, duration, table } from "../number-text.ts";
import { ProgressLine } from "../progress-line.ts";
import { openText, textFields } from "../settings/text.ts";

export const corpusFields = defineFields({
  ...textFields,
  shardBytes: integerField({ default: 32 << 20, min: 1, max: 1 << 30, doc: "Size of a shard in bytes." }),
  minDocumentTokens: integerField({ default: 1, min: 1, doc: "Documents with fewer tokens are left out." }),
});

export type CorpusSettings = ConfigOf<typeof corpusFields>;

const corpusTable = defineConfig({ name: "data", fields: corpusFields });

/** Highest resident memory of this process so far, in bytes. */
export function peakRssBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** Tells how far a preparation is and how fast it goes. */
export function prepareProgress(line: ProgressLine): (progress: PrepareProgress) => void {
  const started = performance.now();
  return ({ numTokens, textBytes }) =>
    line.update(() => {
      const rate = numTokens / ((performance.now() - started) / 1000);
      return `${bytes(textBytes)} of text, ${count(numTokens)} tokens (${count(rate)} tokens/s)`;
    });
}

function corpusText(folder: string, manifest: CorpusManifest): string {
  return table([
    ["corpus", folder],
    ["source", manifest.source],
    ["documents", count(manifest.numDocuments)],
    ["sentences", count(manifest.numSentences)],
    ["tokens", count(manifest.numTokens)],
    ["text", bytes(manifest.textBytes)],
    ["bytes a token", (manifest.textBytes / manifest.numTokens).toFixed(2)],
    ["shards", `${manifest.shards.length} (${bytes(manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0))})`],
    ["tokenizer", `${manifest.tokenizer.hash.slice(0, 16)}, ${count(manifest.tokenizer.vocabSize)} entries`],
  ]);
}

function prepareCommand(): Command {
  const command = defineCommand("prepare", "tokenize text once into shards that training reads at random")
    .requiredOption("-i, --input <paths...>", "text files, tables or folders; also gzipped")
    .requiredOption("-t, --tokenizer <folder>", "tokenizer folder, tokenizer.json or vocab.txt")
    .requiredOption("-o, --out <folder>", "new folder for the corpus; it appears whole at the end, or not at all");
  addFieldOptions(command.optionsGroup("Reading text:"), corpusFields);
  return runs(command, async (session, given) => {
    const settings = corpusTable.resolve(fieldValues(given, corpusFields));
    const { shardBytes, minDocumentTokens, ...textSettings } = settings;
    const outputFolder = given.out as string;
    const tokenizer = await loadTokenizer(given.tokenizer as string);
    const source = await openText(given.input as string[], textSettings);
    const line = new ProgressLine();
    const started = performance.now();
    const manifest = await session.stoppable((signal) =>
      prepareCorpus({
        source,
        tokenizer,
        outputFolder,
        shardBytes,
        minDocumentTokens,
        settings: textSettings,
        signal,
        onProgress: prepareProgress(line),
      }).finally(() => line.end()),
    );
    const seconds = (performance.now() - started) / 1000;
    const { numDocuments, numSentences, numTokens, textBytes, shards } = manifest;
    const tokensPerSecond = numTokens / seconds;
    const facts = { seconds, tokensPerSecond, peakRssBytes: peakRssBytes() };
    session.result(
      { folder: outputFolder, numDocuments, numSentences, numTokens, textBytes, numShards: shards.length, ...facts },
      `${corpusText(outputFolder, manifest)}\n${table([
        ["time", `${duration(seconds)} (${count(tokensPerSecond)} tokens/s)`],
        ["peak memory", bytes(facts.peakRssBytes)],
      ])}`,
    );
  });
}

function inspectCommand(): Command {
  const command = defineCommand("inspect", "check every byte of a prepared corpus and show what it holds").argument(
    "<corpus>",
    "folder of a prepared corpus",
  );
  return runs(command, async (session, _given, [folder]) => {
    const manifest = await inspectCorpus(folder!);
    session.result({ folder, ...manifest }, corpusText(folder!, manifest));
  });
}

/** `firth data prepare|inspect`. */
export function dataCommands(group: Command): Command {
  return group.description("prepare text for training").addCommand(prepareCommand()).addCommand(inspectCommand());
}
