import { type Point, smoothed, thinned } from "./curve.ts";
import { formatNumber } from "./number.ts";

/** One curve of a line chart. */
export interface Series {
  /** Shown in the legend; curves of one name share a colour and an entry (the seeds of one setting, say). */
  readonly name: string;
  /** In order of x; a y that is not finite leaves a gap. */
  readonly points: readonly Point[];
  /** Draws a strong moving average over the faint curve: share of the past in each value, in `[0, 1)`. */
  readonly smoothing?: number;
  /** Marks each point, for curves of few measurements. */
  readonly markers?: boolean;
  readonly dashed?: boolean;
  /** Draws the points alone, for what is no curve: any number of them, in any order. */
  readonly dots?: boolean;
}

/** Several curves over one axis. */
export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** A logarithmic x axis; points at x ≤ 0 are left out. */
  readonly logX?: boolean;
  /** Levels to compare with, such as the unigram entropy. */
  readonly references?: readonly { readonly y: number; readonly label: string }[];
  /** Limits of the y axis where the data should not decide; curves are clipped to them. */
  readonly yRange?: { readonly min?: number; readonly max?: number };
}

/** Most points drawn of one curve, and of one cloud of dots. */
const MAX_POINTS = 600;
const MAX_DOTS = 2_000;

/** The points of a curve that have a place on the x axis. */
export function placedPoints(points: readonly Point[], logX: boolean): readonly Point[] {
  return points.filter(([x]) => Number.isFinite(x) && (!logX || x > 0));
}

/** Dots that stand for all: every one, or every so many. */
function sampledDots(points: readonly Point[]): readonly Point[] {
  const every = Math.ceil(points.length / MAX_DOTS);
  return every <= 1 ? points : points.filter((_, i) => i % every === 0);
}

/** The curve that a reader should read: smoothed if asked, thin enough to draw. */
export function readableCurve(series: Series, logX: boolean): readonly Point[] {
  if (series.dots) return sampledDots(placedPoints(series.points, logX));
  const points = series.smoothing ? smoothed(series.points, series.smoothing) : series.points;
  return thinned(placedPoints(points, logX), MAX_POINTS);
}

/** The curve as it was measured, thin enough to draw. */
export function measuredCurve(series: Series, logX: boolean): readonly Point[] {
  return thinned(placedPoints(series.points, logX), MAX_POINTS);
}

/** Number of the colour of each curve: curves of one name share it. */
export function colourNumbers(chart: LineChart): number[] {
  const names = [...new Set(chart.series.map((series) => series.name))];
  return chart.series.map((series) => names.indexOf(series.name));
}

/** What the chart says, for those who cannot see it. */
export function describeChart(chart: LineChart): string {
  const parts = chart.series.map((series) => {
    const points = series.points.filter(([, y]) => Number.isFinite(y));
    if (series.dots) return `${series.name}: ${points.length} points`;
    const [first, last] = [points[0], points.at(-1)];
    if (first === undefined || last === undefined) return `${series.name}: no data`;
    return `${series.name}: from ${formatNumber(first[1])} to ${formatNumber(last[1])}`;
  });
  return `${chart.title}. ${chart.yLabel} over ${chart.xLabel}. ${parts.join("; ")}.`;
}
