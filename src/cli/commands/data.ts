import type { Command } from "commander";
import type { CorpusManifest } from "../../data/manifest.ts";
import { inspectCorpus } from "../../data/sharded-corpus.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import { defineCommand, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { count, table } from "../number-text.ts";
import { formatBytes, formatDuration } from "../progress/index.ts";
import { corpusFields } from "../settings/corpus.ts";
import { openText } from "../settings/text.ts";
import { peakRssBytes, prepare } from "../steps.ts";

const corpusTable = defineConfig({ name: "data", fields: corpusFields });

function corpusText(folder: string, manifest: CorpusManifest): string {
  return table([
    ["corpus", folder],
    ["source", manifest.source],
    ["documents", count(manifest.numDocuments)],
    ["sentences", count(manifest.numSentences)],
    ["tokens", count(manifest.numTokens)],
    ["text", formatBytes(manifest.textBytes)],
    ["bytes a token", (manifest.textBytes / manifest.numTokens).toFixed(2)],
    [
      "shards",
      `${manifest.shards.length} (${formatBytes(manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0))})`,
    ],
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
    const outputFolder = given.out as string;
    const tokenizer = await loadTokenizer(given.tokenizer as string);
    const source = await openText(given.input as string[], settings);
    const started = performance.now();
    const manifest = await session.stoppable((signal) =>
      prepare(session, { source, tokenizer, outputFolder, settings, signal }),
    );
    const seconds = (performance.now() - started) / 1000;
    const { numDocuments, numSentences, numTokens, textBytes, shards } = manifest;
    const tokensPerSecond = numTokens / seconds;
    const facts = { seconds, tokensPerSecond, peakRssBytes: peakRssBytes() };
    session.result(
      { folder: outputFolder, numDocuments, numSentences, numTokens, textBytes, numShards: shards.length, ...facts },
      `${corpusText(outputFolder, manifest)}\n${table([
        ["time", `${formatDuration(seconds)} (${count(tokensPerSecond)} tokens/s)`],
        ["peak memory", formatBytes(facts.peakRssBytes)],
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
