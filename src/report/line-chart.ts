import { type Point, pathData, smoothed, thinned } from "./curve.ts";
import { escapeText } from "./escape.ts";
import { formatNumber } from "./number.ts";
import { LIGHT, type Palette } from "./palette.ts";
import { linearScale, logScale, type Scale } from "./scale.ts";

/** One curve of a line chart. */
export interface Series {
  readonly name: string;
  /** In order of x; a y that is not finite leaves a gap. */
  readonly points: readonly Point[];
  /** Draws a strong moving average over the faint curve: share of the past in each value, in `[0, 1)`. */
  readonly smoothing?: number;
  /** Marks each point, for curves of few measurements. */
  readonly markers?: boolean;
  readonly dashed?: boolean;
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
  /** Limits of the y axis where the data should not decide. */
  readonly yRange?: { readonly min?: number; readonly max?: number };
}

/** Size and dress of one drawing. */
export interface DrawOptions {
  /** Of the drawing, in CSS pixels. */
  readonly width: number;
  readonly height: number;
  readonly palette: Palette;
  /** Whether the drawing has its title and background inside, to stand alone. */
  readonly standalone: boolean;
}

const FONT_SIZE = 12;
const MAX_POINTS = 600;

/** The curve that a reader should read, smoothed if asked, thin enough to draw. */
export function readableCurve(series: Series, logX: boolean): readonly Point[] {
  return thinned(
    usable(series.smoothing ? smoothed(series.points, series.smoothing) : series.points, logX),
    MAX_POINTS,
  );
}

function usable(points: readonly Point[], logX: boolean): readonly Point[] {
  return points.filter(([x]) => Number.isFinite(x) && (!logX || x > 0));
}

function extent(values: readonly number[]): readonly [number, number] | undefined {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : undefined;
}

/** Width of text in a proportional sans serif, about. */
function textWidth(text: string): number {
  return [...text].length * FONT_SIZE * 0.56;
}

/** Both axes of a chart; undefined when no point can be drawn. */
function axes(chart: LineChart, options: DrawOptions): { x: Scale; y: Scale } | undefined {
  const points = chart.series.flatMap((series) => usable(series.points, chart.logX ?? false));
  const drawn = points.filter(([, y]) => Number.isFinite(y));
  const xRange = extent(drawn.map(([x]) => x));
  const yData = extent([...drawn.map(([, y]) => y), ...(chart.references ?? []).map(({ y }) => y)]);
  if (xRange === undefined || yData === undefined) return undefined;
  const yRange = [chart.yRange?.min ?? yData[0], chart.yRange?.max ?? yData[1]] as const;
  const count = Math.max(2, Math.round(options.width / 110));
  return {
    x: chart.logX ? logScale(xRange, count) : linearScale(xRange, count, false),
    y: linearScale(yRange, Math.max(2, Math.round(options.height / 70)), true),
  };
}

/** The legend: one entry per curve, wrapped to the width. */
function drawLegend(chart: LineChart, options: DrawOptions, top: number): { svg: string; height: number } {
  const { palette, width } = options;
  let x = 4;
  let row = 0;
  const entries = chart.series.map((series, index) => {
    const entryWidth = 24 + textWidth(series.name) + 18;
    if (x > 4 && x + entryWidth > width) {
      x = 4;
      row++;
    }
    const y = top + row * 20 + 10;
    const dash = series.dashed ? ' stroke-dasharray="5 3"' : "";
    const entry =
      `<line x1="${x}" x2="${x + 18}" y1="${y}" y2="${y}" stroke="${colour(palette, index)}" stroke-width="2.5"${dash}/>` +
      `<text x="${x + 24}" y="${y + 4}" fill="${palette.ink}">${escapeText(series.name)}</text>`;
    x += entryWidth;
    return entry;
  });
  return { svg: entries.join(""), height: chart.series.length === 0 ? 0 : (row + 1) * 20 + 6 };
}

function colour(palette: Palette, index: number): string {
  return palette.series[index % palette.series.length]!;
}

/** What the chart says, for those who cannot see it. */
function description(chart: LineChart): string {
  const parts = chart.series.map((series) => {
    const curve = readableCurve(series, chart.logX ?? false).filter(([, y]) => Number.isFinite(y));
    const [first, last] = [curve[0], curve.at(-1)];
    if (first === undefined || last === undefined) return `${series.name}: no data`;
    return `${series.name}: from ${formatNumber(first[1])} to ${formatNumber(last[1])}`;
  });
  return `${chart.title}. ${chart.yLabel} over ${chart.xLabel}. ${parts.join("; ")}.`;
}

/** A line chart as an SVG element; `data-…` attributes tell a script where the plot lies and what its axes span. */
export function drawLineChart(chart: LineChart, options: DrawOptions): string {
  const { width, height, palette, standalone } = options;
  const pad = standalone ? 16 : 0;
  const scales = axes(chart, options);
  const title = standalone
    ? `<text x="${pad + 4}" y="${pad + 16}" font-size="15" font-weight="600" fill="${palette.ink}">${escapeText(chart.title)}</text>`
    : "";
  const legendTop = pad + (standalone ? 28 : 0);
  const legend = drawLegend(chart, { ...options, width: width - 2 * pad }, legendTop);
  const labelWidth = Math.max(0, ...(scales?.y.ticks ?? []).map((tick) => textWidth(tick.label)));
  const plot = {
    left: pad + Math.ceil(labelWidth) + 12,
    top: legendTop + legend.height + 22,
    right: width - pad - 12,
    bottom: height - pad - 44,
  };
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(description(chart))}" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" font-size="${FONT_SIZE}"`;
  const background = standalone
    ? `<rect width="${width}" height="${height}" rx="10" fill="${palette.surface}" stroke="${palette.grid}"/>`
    : "";
  const legendSvg = pad === 0 ? legend.svg : `<g transform="translate(${pad} 0)">${legend.svg}</g>`;
  if (scales === undefined) {
    const empty = `<text x="${width / 2}" y="${height / 2}" text-anchor="middle" fill="${palette.muted}">no data</text>`;
    return `${head} width="${width}" height="${height}">${background}${title}${legendSvg}${empty}</svg>`;
  }
  const { x, y } = scales;
  const placeX = (value: number): number => plot.left + x.place(value) * (plot.right - plot.left);
  const placeY = (value: number): number => plot.bottom - y.place(value) * (plot.bottom - plot.top);
  const at = (value: number): string => String(Number(value.toFixed(1)));

  const grid = y.ticks.map((tick) => {
    const line = at(placeY(tick.value));
    return (
      `<line x1="${plot.left}" x2="${plot.right}" y1="${line}" y2="${line}" stroke="${palette.grid}"/>` +
      `<text x="${plot.left - 8}" y="${at(placeY(tick.value) + 4)}" text-anchor="end" fill="${palette.muted}">${tick.label}</text>`
    );
  });
  const base = x.ticks.map((tick) => {
    const line = at(placeX(tick.value));
    return (
      `<line x1="${line}" x2="${line}" y1="${plot.bottom}" y2="${plot.bottom + 5}" stroke="${palette.muted}"/>` +
      `<text x="${line}" y="${plot.bottom + 19}" text-anchor="middle" fill="${palette.muted}">${tick.label}</text>`
    );
  });
  const labels =
    `<line x1="${plot.left}" x2="${plot.right}" y1="${plot.bottom}" y2="${plot.bottom}" stroke="${palette.muted}"/>` +
    `<text x="${at((plot.left + plot.right) / 2)}" y="${plot.bottom + 38}" text-anchor="middle" fill="${palette.muted}">${escapeText(chart.xLabel)}</text>` +
    `<text x="${pad + 4}" y="${plot.top - 10}" fill="${palette.muted}">${escapeText(chart.yLabel)}</text>`;
  const curves = chart.series.map((series, index) => {
    const stroke = colour(palette, index);
    const places = (points: readonly Point[]): readonly Point[] =>
      points.map(([px, py]) => [placeX(px), Math.min(plot.bottom, Math.max(plot.top, placeY(py)))]);
    const main = places(readableCurve(series, chart.logX ?? false));
    const faint = series.smoothing
      ? `<path d="${pathData(places(thinned(usable(series.points, chart.logX ?? false), MAX_POINTS)))}" stroke="${stroke}" stroke-opacity="0.28"/>`
      : "";
    const dash = series.dashed ? ' stroke-dasharray="6 4"' : "";
    const isolated = main.filter(([, py]) => Number.isFinite(py)).length === 1;
    const dots =
      series.markers || isolated
        ? main
            .filter(([, py]) => Number.isFinite(py))
            .map(([px, py]) => `<circle cx="${at(px)}" cy="${at(py)}" r="3" fill="${stroke}" stroke="none"/>`)
            .join("")
        : "";
    return `${faint}<path d="${pathData(main)}" stroke="${stroke}" stroke-width="2"${dash}/>${dots}`;
  });
  const references = (chart.references ?? []).map((reference) => {
    const line = placeY(reference.y);
    return (
      `<line x1="${plot.left}" x2="${plot.right}" y1="${at(line)}" y2="${at(line)}" stroke="${palette.ink}" stroke-dasharray="2 4"/>` +
      `<text x="${plot.right}" y="${at(line - 6)}" text-anchor="end" fill="${palette.ink}" stroke="${palette.surface}" stroke-width="4" paint-order="stroke">${escapeText(reference.label)}</text>`
    );
  });
  const data = `data-plot="${plot.left} ${plot.top} ${plot.right} ${plot.bottom}" data-x="${x.domain.join(" ")}" data-y="${y.domain.join(" ")}"`;
  return (
    `${head} width="${width}" height="${height}" ${data}>${background}${title}${legendSvg}` +
    `<g>${grid.join("")}${base.join("")}${labels}</g>` +
    `<g fill="none" stroke-width="1.5" stroke-linejoin="round" stroke-linecap="round">${curves.join("")}</g>` +
    `<g>${references.join("")}</g></svg>`
  );
}

/**
 * A line chart as a picture that stands alone: an SVG document with its own light background, right on any page.
 * @param size in CSS pixels
 */
export function lineChartSvg(
  chart: LineChart,
  size: { readonly width?: number; readonly height?: number } = {},
): string {
  return drawLineChart(chart, {
    width: size.width ?? 760,
    height: size.height ?? 420,
    palette: LIGHT,
    standalone: true,
  });
}
