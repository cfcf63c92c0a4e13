import { dirname, join } from "node:path";
import { CheckpointError, ConfigError } from "../base/errors.ts";
import { bpeCache } from "./bpe-cache.ts";
import { bpeFileText, bpeIdentity, bpeSettings, type Merge, mergesOf, mergesText, parseMerges } from "./bpe-file.ts";
import {
  type BpeOptions,
  type BpeTrainOptions,
  type ResolvedBpe,
  resolveBpeOptions,
  resolveBpeTraining,
} from "./bpe-option.ts";
import { vocabularyText } from "./file-text.ts";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import { roleToken, type TokenizerSettings } from "./special-role.ts";
import { parseJsonObject, parseTokenizerFile, readTextFile } from "./tokenizer-file.ts";
import { entryKind, readSettings } from "./tokenizer-folder.ts";
import { trainBpe } from "./train-bpe.ts";

/** Names of vocabulary and merges: Hugging Face's, then OpenAI's. */
const filePairs = [
  ["vocab.json", "merges.txt"],
  ["encoder.json", "vocab.bpe"],
] as const;

/** Vocabulary and merges in a folder; undefined where it has none. */
export async function findBpeFiles(folder: string): Promise<{ vocabulary: string; merges: string } | undefined> {
  for (const [vocabulary, merges] of filePairs) {
    const paths = { vocabulary: join(folder, vocabulary), merges: join(folder, merges) };
    if ((await entryKind(paths.vocabulary)) === "file" && (await entryKind(paths.merges)) === "file") return paths;
  }
  return undefined;
}

function parseIds(text: string, path: string): Map<string, number> {
  const entries = Object.entries(parseJsonObject(text, path));
  const wrong = entries.find(([, id]) => typeof id !== "number" || !Number.isInteger(id) || id < 0);
  if (wrong !== undefined || entries.length === 0) {
    const rule = wrong === undefined ? "holds no token" : `ids must be integers from 0; got ${JSON.stringify(wrong)}`;
    throw new CheckpointError(`${rule}. Restore the file from where it came.`, {
      code: "TOKENIZER_FILE_MALFORMED",
      path,
    });
  }
  return new Map(entries as [string, number][]);
}

/** Options of a vocabulary that comes without a `tokenizer.json`: what its settings say, else what its tokens tell. */
function optionsOf(ids: ReadonlyMap<string, number>, settings: TokenizerSettings): BpeOptions {
  const byteLevel = ![...ids.keys()].some((token) => token.endsWith("</w>"));
  const has = (token: string): string | null => (ids.has(token) ? token : null);
  const sentence = byteLevel && ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].every((token) => ids.has(token));
  const usual = sentence
    ? { bos: "<s>", cls: "<s>", sep: "</s>", eos: "</s>", unk: "<unk>", pad: "<pad>", mask: "<mask>" }
    : { bos: "<|endoftext|>", eos: "<|endoftext|>", unk: byteLevel ? "<|endoftext|>" : "<unk>" };
  const role = (name: keyof typeof usual | "cls" | "sep" | "pad" | "mask"): string | null => {
    const named = roleToken(settings, name);
    return named === undefined ? has((usual as Readonly<Record<string, string>>)[name] ?? "") : has(named);
  };
  return {
    byteLevel,
    unkToken: role("unk"),
    padToken: role("pad"),
    clsToken: role("cls"),
    sepToken: role("sep"),
    maskToken: role("mask"),
    bosToken: role("bos"),
    eosToken: role("eos"),
    ...(byteLevel ? { addPrefixSpace: settings.add_prefix_space === true } : {}),
    ...(byteLevel && typeof settings.trim_offsets === "boolean" ? { trimOffsets: settings.trim_offsets } : {}),
    ...(!byteLevel && settings.do_lower_case === false ? { lowercase: false } : {}),
  };
}

/** Byte-pair encoding: pieces of bytes (GPT-2, RoBERTa, BART) or of characters (the first GPT). */
export class Bpe extends LibraryTokenizer {
  readonly #merges: readonly Merge[];

  private constructor(fileText: string, path: string, settings: TokenizerSettings) {
    const file = parseTokenizerFile(fileText, path);
    if (file.kind !== "BPE") {
      throw new CheckpointError(`must be a BPE tokenizer; got ${file.kind}. Load it with loadTokenizer.`, {
        code: "TOKENIZER_KIND",
        path,
      });
    }
    const merges = mergesOf(file, path);
    super(fileText, path, settings, { identity: bpeIdentity(file, merges) });
    this.#merges = merges;
    this.cache = bpeCache(file);
  }

  /**
   * Loads a folder (`tokenizer.json`, or `vocab.json` with `merges.txt`, or `encoder.json` with `vocab.bpe`; each with
   * `tokenizer_config.json` where there is one) or a `tokenizer.json`.
   * @throws {CheckpointError} TOKENIZER_FILE_MISSING, TOKENIZER_FILE_MALFORMED, TOKENIZER_KIND
   */
  static async load(folderOrFile: string): Promise<Bpe> {
    const isFolder = (await entryKind(folderOrFile)) === "folder";
    const path = isFolder ? join(folderOrFile, "tokenizer.json") : folderOrFile;
    const settings = await readSettings(isFolder ? folderOrFile : dirname(folderOrFile));
    if (!isFolder || (await entryKind(path)) === "file") return new Bpe(await readTextFile(path), path, settings);
    const files = await findBpeFiles(folderOrFile);
    if (files === undefined) {
      throw new CheckpointError(
        "holds neither tokenizer.json nor vocab.json with merges.txt. Name a tokenizer folder.",
        { code: "TOKENIZER_FILE_MISSING", path: folderOrFile },
      );
    }
    const ids = parseIds(await readTextFile(files.vocabulary), files.vocabulary);
    const merges = parseMerges(await readTextFile(files.merges), files.merges);
    const options = resolveBpeOptions(optionsOf(ids, settings));
    const own = { ...bpeSettings(ids, options), ...settings };
    return new Bpe(bpeFileText(ids, merges, options), files.vocabulary, own);
  }

  /**
   * A tokenizer from the contents of a `tokenizer.json` and of the `tokenizer_config.json` beside it.
   * @param path named in errors
   * @throws {CheckpointError} TOKENIZER_FILE_MALFORMED, TOKENIZER_KIND
   */
  static fromText(fileText: string, path: string, settings: TokenizerSettings = {}): Bpe {
    return new Bpe(fileText, path, settings);
  }

  /**
   * Learns a vocabulary from texts.
   * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_OPTION_KIND, TOKENIZER_ROLE_MISSING,
   *   TOKENIZER_VOCAB_TOO_SMALL
   * @throws {DataError} TOKENIZER_NO_TEXT
   */
  static async train(texts: AsyncIterable<string> | Iterable<string>, options: BpeTrainOptions = {}): Promise<Bpe> {
    const { tokens, merges } = await trainBpe(texts, options);
    const resolved = resolveBpeTraining(options);
    return Bpe.#make(tokens, merges, resolved, resolved.specialTokens);
  }

  /**
   * A tokenizer of given tokens, in the order of their ids, and merges, in the order in which they are applied.
   * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_OPTION_KIND, TOKENIZER_MERGE_UNKNOWN
   */
  static fromVocabulary(tokens: readonly string[], merges: readonly Merge[], options: BpeOptions = {}): Bpe {
    const resolved = resolveBpeOptions(options);
    const known = new Set(tokens);
    const wrong = merges.find((pair) => pair.some((piece) => !known.has(piece)));
    if (wrong !== undefined) {
      throw new ConfigError("bpe", [
        {
          path: "merges",
          message: `must join pieces of the vocabulary; got ${JSON.stringify(wrong)}. Add them to tokens.`,
          code: "TOKENIZER_MERGE_UNKNOWN",
        },
      ]);
    }
    return Bpe.#make(tokens, merges, resolved);
  }

  static #make(
    tokens: readonly string[],
    merges: readonly Merge[],
    options: ResolvedBpe,
    specialTokens: readonly string[] = [],
  ): Bpe {
    const ids = new Map(tokens.map((token, id) => [token, id]));
    const text = bpeFileText(ids, merges, options, specialTokens);
    return new Bpe(text, "bpe", bpeSettings(ids, options, specialTokens));
  }

  /**
   * Writes `tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json`, and `vocab.json` with `merges.txt` (where no
   * piece holds white space).
   */
  override async save(folder: string): Promise<void> {
    const plain = this.#merges.every(([left, right]) => !/[ \n\r]/.test(left + right));
    await this.saveFiles(folder, {
      ...this.commonFiles(),
      ...(plain ? { "vocab.json": vocabularyText(this.file.ids, ""), "merges.txt": mergesText(this.#merges) } : {}),
    });
  }
}
