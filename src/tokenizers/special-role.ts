import type { TokenizerFile } from "./tokenizer-file.ts";

/** Contents of `tokenizer_config.json` that name the roles of special tokens. */
export type TokenizerSettings = Readonly<Record<string, unknown>>;

export type Role = "pad" | "unk" | "cls" | "sep" | "mask" | "bos" | "eos";

/** Usual spellings, for files that do not say which token plays a role. */
const USUAL: Readonly<Record<Role, readonly string[]>> = {
  pad: ["[PAD]", "<pad>", "<|pad|>"],
  unk: ["[UNK]", "<unk>"],
  cls: ["[CLS]", "<s>"],
  sep: ["[SEP]", "</s>"],
  mask: ["[MASK]", "<mask>"],
  bos: ["<s>", "<|startoftext|>", "<|endoftext|>"],
  eos: ["</s>", "<|endoftext|>"],
};

/** The token that settings name for a role. */
export function roleToken(settings: TokenizerSettings, role: Role): string | undefined {
  const value = settings[`${role}_token`];
  if (typeof value === "string") return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}

/** Id of the token that plays a role: as the settings name it, else by its usual spelling among special tokens. */
export function roleId(
  { ids, addedTokens }: TokenizerFile,
  settings: TokenizerSettings,
  role: Role,
): number | undefined {
  const named = roleToken(settings, role);
  if (named !== undefined && ids.has(named)) return ids.get(named);
  // Text may have taught a vocabulary an ordinary piece that looks like a special token.
  const special = new Set(addedTokens.filter((token) => token.special).map((token) => token.id));
  for (const token of USUAL[role]) {
    const id = ids.get(token);
    if (id !== undefined && (special.size === 0 || special.has(id))) return id;
  }
  return undefined;
}

/** Every role. */
export const roles = Object.keys(USUAL) as Role[];
