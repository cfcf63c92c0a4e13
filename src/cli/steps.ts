/** @file Pieces of work that several commands do, with their progress shown. */
import process from "node:process";
import type { CorpusManifest } from "../data/manifest.ts";
import { prepareCorpus } from "../data/prepare-corpus.ts";
import type { TextSource } from "../data/source.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { type TokenizerTraining, trainTokenizer } from "../tokenizers/train.ts";
import type { TrainProgress } from "../tokenizers/train-progress.ts";
import type { Session } from "./session.ts";
import type { CorpusSettings } from "./settings/corpus.ts";
import { type TokenizerSettings, tokenizerTraining } from "./settings/tokenizer.ts";

/** Highest resident memory of this process so far, in bytes. */
export function peakRssBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

const learningParts = {
  merge: { label: "Merging pairs", unit: "entries" },
  prune: { label: "Weighing pieces", unit: "rounds" },
} as const;

/** Learns a tokenizer from a corpus. */
export async function learnTokenizer(
  session: Session,
  source: TextSource,
  settings: TokenizerSettings,
): Promise<Tokenizer> {
  const { kind, options } = tokenizerTraining(settings);
  return session.watchParts((begin) => {
    let display = begin({ label: "Counting words", unit: "sentences" });
    let part: TrainProgress["phase"] = "count";
    let rounds = 0;
    const onProgress = ({ phase, done, total }: TrainProgress): void => {
      if (phase === "seed") return;
      if (phase !== part && phase !== "count") {
        part = phase;
        // The first word of a part tells that it begins.
        display = begin(learningParts[phase]);
        return;
      }
      display.update(phase === "prune" ? ++rounds : done, phase === "merge" ? total : undefined);
    };
    return trainTokenizer(source.lines(), { kind, options: { ...options, onProgress } } as TokenizerTraining);
  });
}

/** What to prepare: see `prepareCorpus`. */
export interface Preparation {
  readonly source: TextSource;
  readonly tokenizer: Tokenizer;
  readonly outputFolder: string;
  readonly settings: CorpusSettings;
  readonly signal: AbortSignal;
}

/** Tokenizes a corpus into shards. */
export async function prepare(session: Session, { settings, ...rest }: Preparation): Promise<CorpusManifest> {
  const { shardBytes, minDocumentTokens, threads, ...reading } = settings;
  return session.watch({ label: `Preparing ${rest.outputFolder}`, unit: "tokens" }, (display) =>
    prepareCorpus({
      ...rest,
      shardBytes,
      minDocumentTokens,
      settings: reading,
      ...(threads === null ? {} : { threads }),
      onProgress: ({ numTokens }) => display.update(numTokens),
    }),
  );
}
