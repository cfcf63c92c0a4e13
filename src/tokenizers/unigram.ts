import { dirname, join } from "node:path";
import { CheckpointError, ConfigError } from "../base/errors.ts";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import { readSentencePiece } from "./sentencepiece.ts";
import type { TokenizerSettings } from "./special-role.ts";
import { parseTokenizerFile, readTextFile } from "./tokenizer-file.ts";
import { entryKind, readSettings } from "./tokenizer-folder.ts";
import { trainUnigram } from "./train-unigram.ts";
import { unigramCache } from "./unigram-cache.ts";
import { unigramAdded, unigramFileText, unigramSettings } from "./unigram-file.ts";
import type { ScoredPiece } from "./unigram-learner.ts";
import {
  type ResolvedUnigram,
  resolveUnigramOptions,
  resolveUnigramTraining,
  type UnigramOptions,
  type UnigramTrainOptions,
} from "./unigram-option.ts";

/** Unigram language model over pieces (SentencePiece, ALBERT): of all spellings of a word the most likely one. */
export class Unigram extends LibraryTokenizer {
  private constructor(fileText: string, path: string, settings: TokenizerSettings) {
    const file = parseTokenizerFile(fileText, path);
    if (file.kind !== "Unigram") {
      throw new CheckpointError(`must be a Unigram tokenizer; got ${file.kind}. Load it with loadTokenizer.`, {
        code: "TOKENIZER_KIND",
        path,
      });
    }
    super(fileText, path, settings);
    this.cache = unigramCache(file, this.native);
  }

  /**
   * Loads a folder (`tokenizer.json`, or `spiece.model`, each with `tokenizer_config.json` where there is one), a
   * `tokenizer.json`, or a SentencePiece `.model`.
   * @throws {CheckpointError} TOKENIZER_FILE_MISSING, TOKENIZER_FILE_MALFORMED, TOKENIZER_KIND
   */
  static async load(folderOrFile: string): Promise<Unigram> {
    const isFolder = (await entryKind(folderOrFile)) === "folder";
    const settings = await readSettings(isFolder ? folderOrFile : dirname(folderOrFile));
    let path = isFolder ? join(folderOrFile, "tokenizer.json") : folderOrFile;
    if (isFolder && (await entryKind(path)) !== "file") path = join(folderOrFile, "spiece.model");
    if (path.endsWith(".model")) {
      const model = await readSentencePiece(path, settings);
      return new Unigram(model.fileText, path, { ...model.settings, ...settings });
    }
    return new Unigram(await readTextFile(path), path, settings);
  }

  /**
   * A tokenizer from the contents of a `tokenizer.json` and of the `tokenizer_config.json` beside it.
   * @param path named in errors
   * @throws {CheckpointError} TOKENIZER_FILE_MALFORMED, TOKENIZER_KIND
   */
  static fromText(fileText: string, path: string, settings: TokenizerSettings = {}): Unigram {
    return new Unigram(fileText, path, settings);
  }

  /**
   * Learns a vocabulary from texts.
   * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_UNK_MISSING, TOKENIZER_ROLE_MISSING,
   *   TOKENIZER_VOCAB_TOO_SMALL
   * @throws {DataError} TOKENIZER_NO_TEXT
   */
  static async train(
    texts: AsyncIterable<string> | Iterable<string>,
    options: UnigramTrainOptions = {},
  ): Promise<Unigram> {
    const pieces = await trainUnigram(texts, options);
    const resolved = resolveUnigramTraining(options);
    return Unigram.#make(pieces, resolved, resolved.specialTokens);
  }

  /**
   * A tokenizer of given pieces with their scores (logarithms of probabilities), in the order of their ids.
   * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_UNK_MISSING
   */
  static fromVocabulary(pieces: readonly ScoredPiece[], options: UnigramOptions = {}): Unigram {
    const resolved = resolveUnigramOptions(options);
    if (!pieces.some(([token]) => token === resolved.unkToken)) {
      throw new ConfigError("unigram", [
        {
          path: "pieces",
          message: `the ${pieces.length} entries lack the unknown token ${resolved.unkToken}. Add it.`,
          code: "TOKENIZER_UNK_MISSING",
        },
      ]);
    }
    return Unigram.#make(pieces, resolved, []);
  }

  static #make(pieces: readonly ScoredPiece[], options: ResolvedUnigram, specialTokens: readonly string[]): Unigram {
    const ids = new Map(pieces.map(([token], id) => [token, id]));
    const added = unigramAdded(ids, options, specialTokens);
    return new Unigram(unigramFileText({ pieces, added }, options), "unigram", unigramSettings(ids, options, added));
  }
}
