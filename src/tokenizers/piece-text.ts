/** @file What the pieces of a vocabulary are in a text, so that vocabularies of different kinds can be compared. */
import { tokenBytes } from "./byte-alphabet.ts";
import { tokenizerParts } from "./extend.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { isRecord, parseTokenizerFile, type TokenizerFile } from "./tokenizer-file.ts";
import { hasComponent, METASPACE } from "./word-start.ts";

/** A piece in a text. */
export interface PieceText {
  readonly text: string;
  /** Whether it begins a word. */
  readonly isStart: boolean;
}

/** How a kind of vocabulary writes its pieces; undefined for a piece that is no text by itself. */
function reader(file: TokenizerFile): (token: string) => PieceText | undefined {
  const { pre_tokenizer: preTokenizer, decoder, model } = file.json;
  const { continuing_subword_prefix: prefix, end_of_word_suffix: suffix } = isRecord(model) ? model : {};
  const uses = (type: string): boolean => hasComponent(preTokenizer, type) || hasComponent(decoder, type);
  if (uses("ByteLevel")) {
    return (token) => {
      const bytes = tokenBytes(token);
      try {
        const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
        return text.startsWith(" ") ? { text: text.slice(1), isStart: true } : { text, isStart: false };
      } catch {
        return undefined;
      }
    };
  }
  const marked = (mark: string) => (token: string) =>
    token.startsWith(mark) ? { text: token.slice(mark.length), isStart: true } : { text: token, isStart: false };
  if (uses("Metaspace")) return marked(METASPACE);
  if (typeof suffix === "string" && suffix !== "") {
    // Pieces tell where words end: only a whole word certainly begins one.
    return (token) =>
      token.endsWith(suffix)
        ? { text: token.slice(0, -suffix.length), isStart: true }
        : { text: token, isStart: false };
  }
  if (typeof prefix === "string" && prefix !== "") {
    return (token) =>
      token.startsWith(prefix) && token !== prefix
        ? { text: token.slice(prefix.length), isStart: false }
        : { text: token, isStart: true };
  }
  return (token) => ({ text: token, isStart: true });
}

/**
 * What each id of a vocabulary is in a text; undefined for special tokens, gaps, and parts of characters.
 * @throws {CheckpointError} TOKENIZER_FOREIGN
 */
export function pieceTexts(tokenizer: Tokenizer): (PieceText | undefined)[] {
  const file = parseTokenizerFile(tokenizerParts(tokenizer).fileText, "tokenizer");
  const special = new Set(tokenizer.specialIds);
  const added = new Set(file.addedTokens.map(({ id }) => id));
  const read = reader(file);
  return file.tokens.map((token, id) => {
    if (token === undefined || special.has(id)) return undefined;
    const piece = added.has(id) ? { text: token, isStart: true } : read(token);
    return piece === undefined || piece.text === "" ? undefined : piece;
  });
}
