import { CheckpointError, ConfigError, type ConfigIssue } from "../base/errors.ts";
import { openPortable, portableTokenizer } from "./portable.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { type AddedToken, isRecord, parseTokenizerFile } from "./tokenizer-file.ts";
import { hasComponent } from "./word-start.ts";

export interface ExtendTokenizerOptions {
  /** Whether the tokens are no text: never masked, left out of decoded text; false by default. */
  readonly special?: boolean | undefined;
  /**
   * Whether a token is found as a whole word only. True by default, but for tokens with characters of scripts without
   * spaces (Chinese, Japanese, Thai …), which are found anywhere.
   */
  readonly wholeWords?: boolean | undefined;
}

/** Scripts that are written without spaces between words. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

function tokenIssues(tokens: readonly string[], tokenizer: Tokenizer): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const add = (message: string, code: string) => issues.push({ path: "tokens", message, code });
  if (tokens.length === 0) add("must be one at least; got none.", "CONFIG_MISSING");
  const seen = new Set<string>();
  for (const token of tokens) {
    const shown = JSON.stringify(token);
    if (token.trim() === "") add(`must be text; got ${shown}. Leave it out.`, "TOKENIZER_TOKEN_EMPTY");
    else if (token.trim() !== token)
      add(`must not begin or end with white space; got ${shown}.`, "TOKENIZER_TOKEN_SPACE");
    else if (seen.has(token)) add(`${shown} occurs twice. Remove one.`, "TOKENIZER_TOKEN_TWICE");
    else if (tokenizer.tokenToId(token) !== undefined) {
      add(
        `${shown} is in the vocabulary already (${tokenizer.tokenToId(token)}). Leave it out.`,
        "TOKENIZER_TOKEN_KNOWN",
      );
    }
    seen.add(token);
  }
  return issues;
}

/** The parts of a tokenizer of ours. @throws {CheckpointError} TOKENIZER_FOREIGN for one of another make */
export function tokenizerParts(tokenizer: Tokenizer): NonNullable<ReturnType<typeof portableTokenizer>> {
  const parts = portableTokenizer(tokenizer);
  if (parts !== undefined) return parts;
  throw new CheckpointError("is not one of Firth's own: its file is not known. Load it from its folder.", {
    code: "TOKENIZER_FOREIGN",
    path: "tokenizer",
  });
}

/**
 * A tokenizer with more tokens, which are found in a text before anything else happens to it; their ids follow the last.
 * Texts without them have the pieces that they had.
 * @throws {ConfigError} TOKENIZER_TOKEN_KNOWN, TOKENIZER_TOKEN_TWICE, TOKENIZER_TOKEN_EMPTY, TOKENIZER_TOKEN_SPACE,
 *   TOKENIZER_TOKEN_UNREACHABLE: all problems together
 */
export async function extendTokenizer(
  tokenizer: Tokenizer,
  tokens: readonly string[],
  { special = false, wholeWords }: ExtendTokenizerOptions = {},
): Promise<Tokenizer> {
  const issues = tokenIssues(tokens, tokenizer);
  if (issues.length > 0) throw new ConfigError("extendTokenizer", issues);
  const { fileText, settings } = tokenizerParts(tokenizer);
  const { json } = parseTokenizerFile(fileText, "tokenizer");
  // A tokenizer that makes all letters small finds a token in any case.
  const { normalizer } = json;
  const lowers = hasComponent(normalizer, "Lowercase") || (isRecord(normalizer) && normalizer.lowercase === true);
  const added = tokens.map((content, i): AddedToken => {
    const isWhole = wholeWords ?? !UNSPACED.test(content);
    return {
      id: tokenizer.vocabSize + i,
      content,
      special,
      single_word: isWhole && !special,
      lstrip: false,
      rstrip: false,
      normalized: lowers && !special && content.toLowerCase() !== content.toUpperCase(),
    };
  });
  const before = Array.isArray(json.added_tokens) ? json.added_tokens : [];
  const { added_tokens_decoder: decoder } = settings;
  const described = isRecord(decoder)
    ? {
        added_tokens_decoder: {
          ...decoder,
          ...Object.fromEntries(added.map(({ id, ...token }) => [String(id), token])),
        },
      }
    : {};
  const text = `${JSON.stringify({ ...json, added_tokens: [...before, ...added] }, null, 2)}\n`;
  const extended = openPortable({ fileText: text, settings: { ...settings, ...described } });
  const encodings = await extended.encodeBatch(tokens);
  const lost = tokens.filter((_, i) => encodings[i]!.ids.join() !== String(tokenizer.vocabSize + i));
  if (lost.length === 0) return extended;
  const shown = lost.map((token) => JSON.stringify(token)).join(", ");
  const message = `${shown} would never be found in a text as one token. Write it as the tokenizer sees it.`;
  throw new ConfigError("extendTokenizer", [{ path: "tokens", message, code: "TOKENIZER_TOKEN_UNREACHABLE" }]);
}
