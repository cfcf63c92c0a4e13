/** @file Numbers as people read them. */

/** 12 345 678 → "12,345,678". */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Bytes with a binary unit. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, value)) / 10));
  return power === 0 ? `${value} B` : `${(value / 2 ** (10 * power)).toFixed(1)} ${units[power]}`;
}

/** Seconds as "3 s", "4 min 5 s", "2 h 3 min". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
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
