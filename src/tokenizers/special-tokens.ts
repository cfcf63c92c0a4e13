import type { ConfigIssue } from "../base/errors.ts";
import type { AddedToken } from "./tokenizer-file.ts";

/** The token for each role; null for none. One token may have several roles. */
export interface SpecialTokens {
  /** Stands for what the vocabulary cannot spell. */
  readonly unkToken: string | null;
  /** Fills rows. */
  readonly padToken: string | null;
  /** Begins a sequence. */
  readonly clsToken: string | null;
  /** Ends a segment. */
  readonly sepToken: string | null;
  /** Stands for a word to be guessed. */
  readonly maskToken: string | null;
  /** Begins a text that is generated. */
  readonly bosToken: string | null;
  /** Ends a text. */
  readonly eosToken: string | null;
}

const keys = {
  bosToken: "bos_token",
  clsToken: "cls_token",
  eosToken: "eos_token",
  maskToken: "mask_token",
  padToken: "pad_token",
  sepToken: "sep_token",
  unkToken: "unk_token",
} as const;

/** Names of the options that give a role its token. */
export const tokenRoles: readonly string[] = Object.keys(keys);

/** The order in which vocabularies usually begin: `<s> <pad> </s> <unk> <mask>`. */
const usualOrder = ["bosToken", "clsToken", "padToken", "sepToken", "eosToken", "unkToken", "maskToken"] as const;

/** Every token with a role, once. */
export function namedTokens(roles: SpecialTokens): string[] {
  return [...new Set(usualOrder.flatMap((role) => roles[role] ?? []))];
}

/** An issue where the first entries of a vocabulary leave out tokens with a role. */
export function leftOutRoles(named: readonly string[], specialTokens: readonly string[]): ConfigIssue[] {
  const missing = named.filter((token) => !specialTokens.includes(token));
  if (missing.length === 0) return [];
  const message = `must hold every token with a role; got ${JSON.stringify(specialTokens)}. Add ${missing.join(", ")}.`;
  return [{ path: "specialTokens", message, code: "TOKENIZER_ROLE_MISSING" }];
}

/** `special_tokens_map.json`, and the same part of `tokenizer_config.json`. */
export function specialTokensMap(
  roles: Partial<SpecialTokens>,
  ids: ReadonlyMap<string, number>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(keys).flatMap(([role, key]) => {
      const token = roles[role as keyof SpecialTokens] ?? null;
      return token !== null && ids.has(token) ? [[key, token]] : [];
    }),
  );
}

/**
 * Entries of `added_tokens`, by id. A mask swallows the space before it: the piece guessed in its place brings its own.
 * @param stripsMask whether pieces carry the space before them
 */
export function addedTokens(
  tokens: readonly string[],
  ids: ReadonlyMap<string, number>,
  mask: string | null,
  stripsMask: boolean,
): AddedToken[] {
  return [...new Set(tokens)]
    .filter((token) => ids.has(token))
    .map((content) => ({
      id: ids.get(content)!,
      content,
      single_word: false,
      lstrip: stripsMask && content === mask,
      rstrip: false,
      normalized: false,
      special: true,
    }))
    .sort((a, b) => a.id - b.id);
}

/** The part of `tokenizer_config.json` that repeats `added_tokens`. */
export function addedTokensDecoder(added: readonly AddedToken[]): Record<string, unknown> {
  return Object.fromEntries(added.map(({ id, ...token }) => [String(id), token]));
}

/** A template `[CLS] A [SEP]`, `[CLS] A [SEP] B [SEP]` with the second segment typed 1. */
export function segmentTemplate(cls: string, sep: string, ids: ReadonlyMap<string, number>): unknown {
  const special = (id: string, type: number): unknown => ({ SpecialToken: { id, type_id: type } });
  const sequence = (id: string, type: number): unknown => ({ Sequence: { id, type_id: type } });
  const single = [special(cls, 0), sequence("A", 0), special(sep, 0)];
  return {
    type: "TemplateProcessing",
    single,
    pair: [...single, sequence("B", 1), special(sep, 1)],
    special_tokens: {
      [cls]: { id: cls, ids: [ids.get(cls)], tokens: [cls] },
      [sep]: { id: sep, ids: [ids.get(sep)], tokens: [sep] },
    },
  };
}
