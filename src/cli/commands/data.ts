import { existsSync } from "node:fs";
import type { Command } from "commander";
import { DataError } from "../../base/errors.ts";
import type { CorpusManifest } from "../../data/manifest.ts";
import { mineSpans } from "../../data/mine-spans.ts";
import { inspectCorpus } from "../../data/sharded-corpus.ts";
import { formatSpans, type SpanKind } from "../../data/span-file.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { defineFields, integerField, numberField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import { defineCommand, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { count, table } from "../number-text.ts";
import { formatBytes, formatDuration } from "../progress/index.ts";
import { corpusFields } from "../settings/corpus.ts";
import { openText, textFields } from "../settings/text.ts";
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

const mineFields = defineFields({
  minCount: integerField({ default: 5, min: 1, doc: "Occurrences that a span needs." }),
  minPmi: numberField({ default: 4, min: 0, doc: "Least association of a phrase's parts, in nats." }),
  minEntropy: numberField({ default: 1, min: 0, doc: "Least entropy of what stands beside a Chinese word, in nats." }),
  maxWords: integerField({ default: 4, min: 2, doc: "Longest phrase in words." }),
  maxCharacters: integerField({ default: 4, min: 2, doc: "Longest Chinese word in characters." }),
  maxSpans: integerField({ default: 50_000, min: 1, doc: "Most spans of each kind." }),
});
const mineTable = defineConfig({ name: "spans", fields: mineFields });
const textTable = defineConfig({ name: "text", fields: textFields });

function spansCommand(): Command {
  const command = defineCommand("spans", "find names and phrases of a text, to be masked as wholes (ERNIE)")
    .requiredOption("-i, --input <paths...>", "text files, tables or folders; also gzipped")
    .requiredOption("-o, --out <file>", "new file: text, tab, phrase or entity, tab, count");
  addFieldOptions(command, mineFields);
  addFieldOptions(command.optionsGroup("Reading text:"), textFields);
  return runs(command, async (session, given) => {
    const settings = mineTable.resolve(fieldValues(given, mineFields));
    const file = given.out as string;
    if (existsSync(file)) {
      throw new DataError("is there already. Name another, or remove it.", { code: "OUTPUT_EXISTS", path: file });
    }
    const source = await openText(given.input as string[], textTable.resolve(fieldValues(given, textFields)));
    const started = performance.now();
    const entries = await mineSpans(source, settings);
    if (entries.length === 0) {
      throw new DataError(
        "no names or phrases are as frequent as that. Lower --min-count or --min-pmi, or give more text.",
        {
          code: "SPANS_NOT_FOUND",
          path: source.name,
        },
      );
    }
    await writeFileAtomic(file, formatSpans(entries));
    const seconds = (performance.now() - started) / 1000;
    const numPhrases = entries.filter(({ kind }) => kind === "phrase").length;
    const numEntities = entries.length - numPhrases;
    const first = (kind: SpanKind): string =>
      entries
        .filter((entry) => entry.kind === kind)
        .slice(0, 8)
        .map(({ text }) => text)
        .join(", ");
    session.result(
      { file, numPhrases, numEntities, seconds, peakRssBytes: peakRssBytes() },
      table([
        ["file", file],
        ["phrases", `${count(numPhrases)}: ${first("phrase")} …`],
        ["entities", `${count(numEntities)}: ${first("entity")} …`],
        ["time", formatDuration(seconds)],
        ["peak memory", formatBytes(peakRssBytes())],
      ]),
    );
  });
}

/** `firth data prepare|inspect|spans`. */
export function dataCommands(group: Command): Command {
  return group
    .description("prepare text for training")
    .addCommand(prepareCommand())
    .addCommand(inspectCommand())
    .addCommand(spansCommand());
}
