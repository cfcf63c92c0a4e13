import { formatTick } from "./number.ts";

/** A mark on an axis. */
export interface Tick {
  readonly value: number;
  readonly label: string;
}

/** From data to places on an axis. */
export interface Scale {
  readonly kind: "linear" | "log";
  /** Smallest and largest value on the axis. */
  readonly domain: readonly [number, number];
  readonly ticks: readonly Tick[];
  /** Place of a value: 0 at the start of the axis, 1 at its end. */
  place(value: number): number;
}

/**
 * A distance between ticks of the form 1, 2 or 5 times a power of ten.
 * @param span length of the axis, above 0
 * @param count about how many intervals are wanted
 */
export function tickStep(span: number, count: number): number {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const lead = rough / power;
  return (lead < Math.SQRT2 ? 1 : lead < Math.sqrt(12.5) ? 2 : lead < Math.sqrt(50) ? 5 : 10) * power;
}

/** A multiple of a step, free of binary noise. */
function multiple(factor: number, step: number): number {
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Number((factor * step).toFixed(Math.min(100, decimals)));
}

/** Multiples of a step inside `[low, high]`. */
function multiples(low: number, high: number, step: number): number[] {
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => multiple(first + index, step));
}

/** Widens a range without length (but for rounding), so that a constant has an axis too. */
function widened(low: number, high: number): readonly [number, number] {
  if (high - low > 1e-12 * Math.max(Math.abs(low), Math.abs(high))) return [low, high];
  const margin = low === 0 ? 1 : Math.abs(low) * 0.1;
  return [low - margin, high + margin];
}

/**
 * A linear axis.
 * @param range smallest and largest value
 * @param count about how many intervals between ticks
 * @param snap whether the axis is extended to whole ticks
 */
export function linearScale(range: readonly [number, number], count: number, snap: boolean): Scale {
  let [low, high] = widened(...range);
  const step = tickStep(high - low, count);
  if (snap) {
    low = multiple(Math.floor(low / step + 1e-9), step);
    high = multiple(Math.ceil(high / step - 1e-9), step);
  }
  return {
    kind: "linear",
    domain: [low, high],
    ticks: multiples(low, high, step).map((value) => ({ value, label: formatTick(value, step) })),
    place: (value) => (value - low) / (high - low),
  };
}

/**
 * A logarithmic axis with ticks at powers of ten, and at 2 and 5 times those where there is room.
 * @param range smallest and largest value, both above 0
 * @param count about how many ticks fit
 */
export function logScale(range: readonly [number, number], count: number): Scale {
  const [low, high] = range[1] > range[0] ? range : [range[0] / 2, range[1] * 2];
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const decades = last - first;
  const every = Math.max(1, Math.ceil(decades / Math.max(1, count)));
  const leads = decades * 3 <= count + 2 ? [1, 2, 5] : [1];
  const ticks: Tick[] = [];
  for (let power = first; power <= last; power += every) {
    for (const lead of leads) {
      const value = Number((lead * 10 ** power).toPrecision(12));
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9))
        ticks.push({ value, label: formatTick(value, value) });
    }
  }
  const width = Math.log(high / low);
  return { kind: "log", domain: [low, high], ticks, place: (value) => Math.log(value / low) / width };
}
