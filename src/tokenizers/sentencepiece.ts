import { readFile } from "node:fs/promises";
import protobuf from "protobufjs";
import { CheckpointError } from "../base/errors.ts";
import { roleToken, type TokenizerSettings } from "./special-role.ts";
import { addedTokens } from "./special-tokens.ts";
import type { AddedToken } from "./tokenizer-file.ts";
import { unigramFileText, unigramSettings } from "./unigram-file.ts";
import type { ScoredPiece } from "./unigram-learner.ts";
import { resolveUnigramOptions } from "./unigram-option.ts";

/** What Firth reads of a SentencePiece model. @source sentencepiece_model.proto */
const schema = protobuf.Root.fromJSON({
  nested: {
    Piece: {
      fields: {
        piece: { type: "string", id: 1 },
        score: { type: "float", id: 2 },
        type: { type: "int32", id: 3, options: { default: 1 } },
      },
    },
    Trainer: {
      fields: {
        modelType: { type: "int32", id: 3, options: { default: 1 } },
        byteFallback: { type: "bool", id: 35 },
        unkId: { type: "int32", id: 40 },
      },
    },
    Normalizer: { fields: { precompiledCharsmap: { type: "bytes", id: 2 } } },
    Model: {
      fields: {
        pieces: { rule: "repeated", type: "Piece", id: 1 },
        trainer: { type: "Trainer", id: 2 },
        normalizer: { type: "Normalizer", id: 3 },
      },
    },
  },
});

const UNIGRAM = 1;
const CONTROL = 3;
const USER_DEFINED = 4;

interface Model {
  readonly pieces: readonly { readonly piece: string; readonly score: number; readonly type: number }[];
  readonly trainer: { readonly modelType: number; readonly byteFallback: boolean; readonly unkId: number } | null;
  readonly normalizer: { readonly precompiledCharsmap: Uint8Array } | null;
}

function malformed(path: string, rule: string, cause?: unknown): CheckpointError {
  return new CheckpointError(`${rule}. Restore the file from where it came.`, {
    code: "TOKENIZER_FILE_MALFORMED",
    path,
    cause,
  });
}

async function readModel(path: string): Promise<Model> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new CheckpointError(
      `cannot be read (${(cause as NodeJS.ErrnoException).code ?? "unknown"}). Name a tokenizer folder or file.`,
      { code: "TOKENIZER_FILE_MISSING", path, cause },
    );
  }
  let model: Model;
  try {
    model = schema.lookupType("Model").decode(bytes) as unknown as Model;
  } catch (cause) {
    throw malformed(path, `is no SentencePiece model: ${(cause as Error).message}`, cause);
  }
  if (model.pieces.length === 0) throw malformed(path, "holds no piece");
  const kind = model.trainer?.modelType ?? UNIGRAM;
  if (kind !== UNIGRAM) {
    throw new CheckpointError(`must be a Unigram model; got model type ${kind}. Convert it to a tokenizer.json.`, {
      code: "TOKENIZER_KIND",
      path,
    });
  }
  return model;
}

/** A SentencePiece model as the contents of a `tokenizer.json` and the settings beside it. */
export interface ConvertedModel {
  readonly fileText: string;
  readonly settings: TokenizerSettings;
}

/**
 * Reads a SentencePiece Unigram model (`spiece.model`) as ALBERT uses it.
 * @param settings of the `tokenizer_config.json` beside it: `do_lower_case`, `keep_accents`, roles of tokens
 * @throws {CheckpointError} TOKENIZER_FILE_MISSING, TOKENIZER_FILE_MALFORMED, TOKENIZER_KIND
 * @source transformers, AlbertConverter: numbers that end in a comma are as good as never used
 */
export async function readSentencePiece(path: string, settings: TokenizerSettings): Promise<ConvertedModel> {
  const model = await readModel(path);
  const ids = new Map(model.pieces.map(({ piece }, id) => [piece, id]));
  const unknown = model.pieces[model.trainer?.unkId ?? 0];
  if (unknown === undefined) throw malformed(path, `names piece ${model.trainer?.unkId} of ${ids.size} as unknown`);
  const role = (name: "pad" | "cls" | "sep" | "mask", usual: string): string | null => {
    const token = roleToken(settings, name) ?? usual;
    return ids.has(token) ? token : null;
  };
  const options = resolveUnigramOptions({
    lowercase: settings.do_lower_case !== false,
    stripAccents: settings.keep_accents !== true,
    byteFallback: model.trainer?.byteFallback ?? false,
    unkToken: unknown.piece,
    padToken: role("pad", "<pad>"),
    clsToken: role("cls", "[CLS]"),
    sepToken: role("sep", "[SEP]"),
    maskToken: role("mask", "[MASK]"),
  });
  const pieces = model.pieces.map(({ piece, score }): ScoredPiece => [piece, /\d,$/.test(piece) ? score - 100 : score]);
  const { unkToken, padToken, clsToken, sepToken, maskToken } = options;
  const named = [unkToken, padToken, clsToken, sepToken, maskToken].flatMap((token) => token ?? []);
  const control = model.pieces.filter(({ type }) => type === CONTROL).map(({ piece }) => piece);
  const special = addedTokens([...named, ...control], ids, maskToken, true);
  const specialIds = new Set(special.map(({ id }) => id));
  const own = model.pieces
    .filter(({ type, piece }) => type === USER_DEFINED && !specialIds.has(ids.get(piece)!))
    .map(({ piece }): AddedToken => ({ ...addedTokens([piece], ids, null, false)[0]!, special: false }));
  const added = [...special, ...own].sort((a, b) => a.id - b.id);
  const charsmap = model.normalizer?.precompiledCharsmap ?? new Uint8Array();
  const precompiled = { type: "Precompiled", precompiled_charsmap: Buffer.from(charsmap).toString("base64") };
  const { stripAccents, lowercase } = options;
  const normalizers = [
    { type: "Replace", pattern: { String: "``" }, content: '"' },
    { type: "Replace", pattern: { String: "''" }, content: '"' },
    ...(stripAccents ? [{ type: "NFKD" }, { type: "StripAccents" }] : []),
    ...(lowercase ? [{ type: "Lowercase" }] : []),
    ...(charsmap.length > 0 ? [precompiled] : []),
    { type: "Replace", pattern: { Regex: " {2,}" }, content: " " },
  ];
  return {
    fileText: unigramFileText({ pieces, added, normalizers }, options),
    settings: unigramSettings(ids, options, special),
  };
}
