/** @file Texts cut as Python cuts them, for figures that must equal those of Python packages. */

/** What Python's `str.isspace` calls space: ECMAScript's `\s` lacks U+001C–U+001F and U+0085, and has U+FEFF. */
const space = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const spaces = new RegExp(`[${space}]+`, "u");
const spacesAtEnd = new RegExp(`[${space}]+$`, "u");
const spacesAround = new RegExp(`^[${space}]+|[${space}]+$`, "gu");

/** Python's `text.split()`: what lies between runs of space, never empty. */
export function splitWords(text: string): string[] {
  return text.split(spaces).filter((word) => word !== "");
}

/** Python's `text.rstrip()`. */
export function trimEnd(text: string): string {
  return text.replace(spacesAtEnd, "");
}

/** Python's `text.strip()`. */
export function trim(text: string): string {
  return text.replace(spacesAround, "");
}
