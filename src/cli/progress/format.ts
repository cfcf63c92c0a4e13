const DECIMAL: readonly (readonly [number, string])[] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** Three significant digits without needless zeros; the next unit takes over before 1,000 is written. */
function scaled(value: number, units: readonly (readonly [number, string])[], separator: string): string {
  // 999.5 of one unit would round to 1,000 of it: it is 1 of the next.
  const [factor, suffix] = units.find(([size]) => Math.abs(value) >= size * 0.9995) ?? [1, ""];
  const digits = Number((value / factor).toPrecision(3)).toString();
  return suffix === "" ? digits : `${digits}${separator}${suffix}`;
}

/** A count for reading: in full below 10,000 (`9,876`), then to three digits (`12.3M`); `–` when it is not finite. */
export function formatCount(count: number): string {
  if (!Number.isFinite(count)) return "–";
  if (Math.abs(count) < 9999.5) return Math.round(count).toLocaleString("en-US");
  return scaled(count, DECIMAL, "");
}

/** A number of bytes in decimal units: `812 B`, `1.5 kB`, `3.42 GB`; `–` when it is not finite. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return "–";
  const units = DECIMAL.map(([size, suffix]) => [size, `${suffix}B`] as const);
  const text = scaled(bytes, units, " ");
  return text.endsWith("B") ? text : `${text} B`;
}

/** A rate to three digits: `18.3k tokens/s`, `0.25 steps/s`; `–` when it is not finite. */
export function formatRate(perSecond: number, unit: string): string {
  if (!Number.isFinite(perSecond)) return "–";
  return unit === "bytes" ? `${formatBytes(perSecond)}/s` : `${scaled(perSecond, DECIMAL, "")} ${unit}/s`;
}

/** A duration by its two largest units: `0.42 s`, `12 s`, `3 min 05 s`, `2 h 07 min`, `4 d 03 h`; `–` when unknown. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  if (seconds < 9.95) return `${Number(seconds.toPrecision(2))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(whole, 60, "min", "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return pair(minutes, 60, "h", "min");
  return pair(Math.round(seconds / 3600), 24, "d", "h");
}

function pair(value: number, base: number, large: string, small: string): string {
  return `${Math.floor(value / base)} ${large} ${String(value % base).padStart(2, "0")} ${small}`;
}

/** A measured figure to four significant digits: `3.412`, `0.0125`, `12,346`, `1.2e-7`; `–` for NaN. */
export function formatFigure(value: number): string {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "infinite" : "-infinite";
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size < 1e-3 || size >= 1e9) return value.toExponential(2);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  return value.toPrecision(4);
}

/** A learning rate, short: `5e-4`, `4.83e-4`, `0`. */
export function formatLearningRate(rate: number): string {
  if (!Number.isFinite(rate)) return "–";
  return rate === 0 ? "0" : rate.toExponential(2).replace(/\.?0+e/, "e");
}
