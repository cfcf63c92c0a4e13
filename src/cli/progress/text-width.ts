const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Emoji_Presentation}/u;
const INVISIBLE = /[\p{Mark}\p{Cf}]/u;
const CONTROL = /\p{Cc}/gu;

function characterWidth(character: string): number {
  if (INVISIBLE.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Columns that text takes in a terminal: East Asian characters and emoji two, combining marks none. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** Text on one line of at most so many columns, ending in `…` where it was cut. */
export function fitText(text: string, columns: number): string {
  const line = text.replace(CONTROL, " ");
  if (textWidth(line) <= columns) return line;
  let kept = "";
  let width = 0;
  for (const character of line) {
    width += characterWidth(character);
    if (width > columns - 1) break;
    kept += character;
  }
  return columns > 0 ? `${kept}…` : "";
}

/** A piece of a status line; pieces of the lowest rank go first when there is no room. */
export interface Piece {
  readonly text: string;
  readonly rank: number;
}

/** As many pieces as fit, in their order, two spaces apart; the last one left is cut. */
export function fitPieces(pieces: readonly Piece[], columns: number): string {
  const kept = pieces.filter(({ text }) => text !== "");
  const line = (): string => kept.map(({ text }) => text).join("  ");
  while (kept.length > 1 && textWidth(line()) > columns) {
    let least = 0;
    kept.forEach(({ rank }, index) => {
      if (rank <= kept[least]!.rank) least = index;
    });
    kept.splice(least, 1);
  }
  return fitText(line(), columns);
}
