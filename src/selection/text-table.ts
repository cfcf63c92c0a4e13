/** @file Tables of plain text. */

const isNumeric = (cell: string): boolean =>
  /^[-−(]?[\d.,]+(e[-+]?\d+)?( ±.*| %)?\)?$/.test(cell) || cell === "–" || cell === "";

/** Width on a terminal, about: letters of East Asia take two columns. */
function widthOf(text: string): number {
  let width = 0;
  for (const letter of text)
    width += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u.test(
      letter,
    )
      ? 2
      : 1;
  return width;
}

/** Columns with two spaces between; those of numbers stand flush right. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = head.map((name, i) => {
    const cells = rows.map((row) => row[i] ?? "");
    const width = Math.max(...[name, ...cells].map(widthOf));
    const isRight = rows.length > 0 && cells.every(isNumeric) && cells.some((cell) => cell !== "");
    return { width, isRight };
  });
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ width, isRight }, i) => {
        const cell = cells[i] ?? "";
        const space = " ".repeat(width - widthOf(cell));
        return isRight ? space + cell : cell + space;
      })
      .join("  ")
      .trimEnd();
  return [head, ...rows].map(line).join("\n");
}
