const SUFFIXES: readonly (readonly [number, string])[] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** A number for reading: four significant digits, whole numbers in full with thousands apart; `–` for NaN. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return value.toLocaleString("en-US").replace("-", "−");
  if (size < 1e-4 || size >= 1e15) return value.toExponential(2).replace("-", "−").replace("e-", "e−");
  const decimals = Math.max(0, 3 - Math.floor(Math.log10(size)));
  return value
    .toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
    .replace("-", "−");
}

/** The label of an axis tick, as short as its distance to the next tick allows: `0.25`, `15k`, `1e−5`. */
export function formatTick(value: number, step: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 && step < 1e-4) return value.toExponential().replace("-", "−").replace("e-", "e−");
  const [unit, suffix] = SUFFIXES.find(([factor]) => size >= factor) ?? [1, ""];
  const decimals = Math.min(12, Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9)));
  const text = (value / unit).toFixed(decimals);
  return `${text.includes(".") ? text.replace(/\.?0+$/, "") : text}${suffix}`.replace("-", "−");
}
