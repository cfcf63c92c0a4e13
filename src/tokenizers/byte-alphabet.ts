/** Bytes that stand for themselves: printable and no white space. */
const isPlain = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

/**
 * The character that stands for each byte in the tokens of byte-level BPE.
 * @source Radford et al. 2019 (GPT-2): bytes that cannot be printed become the characters from U+0100 on
 */
export const byteCharacters: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPlain(byte) ? byte : next++));
})();

/** The byte that each of these characters stands for, by UTF-16 unit; -1 for all others. */
const byteOfUnit = new Int16Array(0x200).fill(-1);
byteCharacters.forEach((character, byte) => {
  byteOfUnit[character.charCodeAt(0)] = byte;
});

/** A text as byte-level BPE sees it: the UTF-8 bytes of the text, a character for each. */
export function byteLevelText(text: string): string {
  let result = "";
  for (const byte of Buffer.from(text, "utf8")) result += byteCharacters[byte]!;
  return result;
}

/** The bytes that a token stands for; a token with any other character stands for its own UTF-8 bytes. */
export function tokenBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = byteOfUnit[token.charCodeAt(i)] ?? -1;
    if (byte < 0) return Buffer.from(token, "utf8");
    bytes[i] = byte;
  }
  return bytes;
}
