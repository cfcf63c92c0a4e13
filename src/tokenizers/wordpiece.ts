import { basename, dirname, join } from "node:path";
import { CheckpointError, ConfigError } from "../base/errors.ts";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import type { TokenizerSettings } from "./special-role.ts";
import { specialTokensMap } from "./special-tokens.ts";
import { parseTokenizerFile, readTextFile } from "./tokenizer-file.ts";
import { entryKind, readSettings } from "./tokenizer-folder.ts";
import { trainWordPiece } from "./train-wordpiece.ts";
import { wordPieceCache } from "./wordpiece-cache.ts";
import {
  isBertPipeline,
  optionsFromFile,
  optionsFromSettings,
  parseVocabulary,
  wordPieceFileText,
  wordPieceSettings,
} from "./wordpiece-file.ts";
import {
  type ResolvedWordPiece,
  resolveWordPieceOptions,
  resolveWordPieceTraining,
  type WordPieceOptions,
  type WordPieceTrainOptions,
} from "./wordpiece-option.ts";

/** BERT's tokenizer: words by white space, punctuation and Chinese characters, then the longest pieces first. */
export class WordPiece extends LibraryTokenizer {
  /** Every option with its value. */
  readonly options: ResolvedWordPiece;

  private constructor(fileText: string, path: string, settings: TokenizerSettings) {
    const file = parseTokenizerFile(fileText, path);
    if (file.kind !== "WordPiece") {
      throw new CheckpointError(`must be a WordPiece tokenizer; got ${file.kind}. Load it with loadTokenizer.`, {
        code: "TOKENIZER_KIND",
        path,
      });
    }
    const options = optionsFromFile(file, settings);
    if (!file.ids.has(options.unkToken)) {
      throw new CheckpointError(
        `the vocabulary (${file.tokens.length} entries) lacks the unknown token ${options.unkToken}. ` +
          "Add it, or name the vocabulary's own in tokenizer_config.json (unk_token).",
        { code: "TOKENIZER_UNK_MISSING", path },
      );
    }
    const { modelMaxLength: _length, ...identity } = options;
    const { normalizer, pre_tokenizer: preTokenizer } = file.json;
    const other = isBertPipeline(file) ? {} : { normalizer, preTokenizer };
    super(fileText, path, settings, {
      identity: { ...identity, ...other, tokens: file.tokens, added: file.addedTokens },
      cache: isBertPipeline(file) ? wordPieceCache(file.ids, file.tokens, options) : undefined,
    });
    this.options = options;
  }

  /**
   * Loads a folder (`tokenizer.json`, or `vocab.txt`, each with `tokenizer_config.json` where there is one) or a file.
   * @throws {CheckpointError} TOKENIZER_FILE_MISSING, TOKENIZER_FILE_MALFORMED, TOKENIZER_KIND, TOKENIZER_UNK_MISSING
   */
  static async load(folderOrFile: string): Promise<WordPiece> {
    const kind = await entryKind(folderOrFile);
    if (kind === undefined) await readTextFile(folderOrFile);
    const folder = kind === "folder" ? folderOrFile : dirname(folderOrFile);
    let path = folderOrFile;
    if (kind === "folder") {
      path = join(folder, "tokenizer.json");
      if ((await entryKind(path)) !== "file") path = join(folder, "vocab.txt");
      if ((await entryKind(path)) !== "file") {
        throw new CheckpointError("holds neither tokenizer.json nor vocab.txt. Name a tokenizer folder.", {
          code: "TOKENIZER_FILE_MISSING",
          path: folder,
        });
      }
    }
    const text = await readTextFile(path);
    const settings = await readSettings(folder);
    if (basename(path).endsWith(".json")) return new WordPiece(text, path, settings);
    return new WordPiece(wordPieceFileText(parseVocabulary(text, path), optionsFromSettings(settings)), path, settings);
  }

  /**
   * A tokenizer from the contents of a `tokenizer.json` and of the `tokenizer_config.json` beside it.
   * @param path named in errors
   * @throws {CheckpointError} TOKENIZER_FILE_MALFORMED, TOKENIZER_KIND, TOKENIZER_UNK_MISSING
   */
  static fromText(fileText: string, path: string, settings: TokenizerSettings = {}): WordPiece {
    return new WordPiece(fileText, path, settings);
  }

  /**
   * Learns a vocabulary from texts.
   * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_VOCAB_TOO_SMALL, TOKENIZER_UNK_MISSING
   * @throws {DataError} TOKENIZER_NO_TEXT
   */
  static async train(
    texts: AsyncIterable<string> | Iterable<string>,
    options: WordPieceTrainOptions = {},
  ): Promise<WordPiece> {
    return WordPiece.#make(await trainWordPiece(texts, options), resolveWordPieceTraining(options));
  }

  /**
   * A tokenizer of given tokens, in the order of their ids.
   * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_TOKEN_TWICE, TOKENIZER_UNK_MISSING
   */
  static fromVocabulary(tokens: readonly string[], options: WordPieceOptions = {}): WordPiece {
    const resolved = resolveWordPieceOptions(options);
    const seen = new Set<string>();
    for (const token of tokens) {
      if (seen.has(token)) {
        throw new ConfigError("wordpiece", [
          {
            path: "tokens",
            message: `${JSON.stringify(token)} occurs twice. Remove one.`,
            code: "TOKENIZER_TOKEN_TWICE",
          },
        ]);
      }
      seen.add(token);
    }
    if (!seen.has(resolved.unkToken)) {
      throw new ConfigError("wordpiece", [
        {
          path: "tokens",
          message: `the ${tokens.length} entries lack the unknown token ${resolved.unkToken}. Add it.`,
          code: "TOKENIZER_UNK_MISSING",
        },
      ]);
    }
    return WordPiece.#make(tokens, resolved);
  }

  static #make(tokens: readonly string[], options: ResolvedWordPiece): WordPiece {
    const ids = new Map(tokens.map((token, id) => [token, id]));
    return new WordPiece(wordPieceFileText(tokens, options), "wordpiece", wordPieceSettings(ids, options, {}));
  }

  /** Writes `tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json` and `vocab.txt` (where ids have no gap). */
  override async save(folder: string): Promise<void> {
    const { ids, tokens } = this.file;
    const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
    await this.saveFiles(folder, {
      "tokenizer.json": this.fileText,
      "tokenizer_config.json": json(wordPieceSettings(ids, this.options, this.settings)),
      "special_tokens_map.json": json(specialTokensMap(this.options, ids)),
      ...(tokens.includes(undefined) ? {} : { "vocab.txt": `${tokens.join("\n")}\n` }),
    });
  }
}
