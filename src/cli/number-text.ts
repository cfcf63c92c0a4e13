/** @file Figures of results: in full where progress would shorten them. */

/** 12345678 → "12,345,678". */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** A share in [0, 1] as per cent. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Rows of names and values in two columns. */
export function table(rows: readonly (readonly [string, string | number])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}
