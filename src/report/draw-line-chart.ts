import { colourNumbers, describeChart, type LineChart, measuredCurve, placedPoints, readableCurve } from "./chart.ts";
import { type Point, pathData } from "./curve.ts";
import { escapeText } from "./escape.ts";
import { LIGHT, type Palette } from "./palette.ts";
import { linearScale, logScale, type Scale } from "./scale.ts";

/** Size and dress of one drawing. */
export interface DrawOptions {
  /** Of the drawing, in CSS pixels. */
  readonly width: number;
  readonly height: number;
  readonly palette: Palette;
  /** Whether the drawing has its title and background inside, to stand alone. */
  readonly standalone: boolean;
}

/** Where the curves lie in the drawing, and what the axes span. */
interface Plot {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly x: Scale;
  readonly y: Scale;
}

const FONT = `font-family="system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" font-size="12"`;
const ROW_HEIGHT = 20;

/** Width of text of 12 pixels in a proportional sans serif, about. */
function textWidth(text: string): number {
  return [...text].length * 6.7;
}

/** A coordinate to a tenth of a pixel. */
function at(value: number): string {
  return String(Number(value.toFixed(1)));
}

function colourOf(palette: Palette, index: number): string {
  return palette.series[index % palette.series.length]!;
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

/** Both axes of a chart; undefined when no point can be drawn. */
function scales(chart: LineChart, width: number, height: number): Pick<Plot, "x" | "y"> | undefined {
  const points = chart.series.flatMap(({ points: own }) => placedPoints(own, chart.logX ?? false));
  const drawn = points.filter(([, y]) => Number.isFinite(y));
  const xRange = extent(drawn.map(([x]) => x));
  const yData = extent([...drawn.map(([, y]) => y), ...(chart.references ?? []).map(({ y }) => y)]);
  if (xRange === undefined || yData === undefined) return undefined;
  const yRange = [chart.yRange?.min ?? yData[0], chart.yRange?.max ?? yData[1]] as const;
  const count = Math.max(2, Math.round(width / 110));
  return {
    x: chart.logX ? logScale(xRange, count) : linearScale(xRange, count, false),
    y: linearScale(yRange, Math.max(2, Math.round(height / 70)), true),
  };
}

/** The legend: one entry per name, wrapped to the width. */
function drawLegend(chart: LineChart, palette: Palette, left: number, top: number, width: number) {
  const numbers = colourNumbers(chart);
  let x = 0;
  let row = 0;
  const entries = chart.series.map((series, index) => {
    if (numbers.indexOf(numbers[index]!) !== index) return "";
    const entryWidth = 24 + textWidth(series.name) + 18;
    if (x > 0 && x + entryWidth > width) {
      x = 0;
      row++;
    }
    const y = top + row * ROW_HEIGHT + 10;
    const start = left + x;
    x += entryWidth;
    const dash = series.dashed ? ' stroke-dasharray="5 3"' : "";
    const stroke = colourOf(palette, numbers[index]!);
    const sample = series.dots
      ? `<circle cx="${at(start + 9)}" cy="${y}" r="4" fill="${stroke}"/>`
      : `<line x1="${at(start)}" x2="${at(start + 18)}" y1="${y}" y2="${y}" stroke="${stroke}" stroke-width="2.5"${dash}/>`;
    return `${sample}<text x="${at(start + 24)}" y="${y + 4}" fill="${palette.ink}">${escapeText(series.name)}</text>`;
  });
  return { svg: entries.join(""), height: entries.length === 0 ? 0 : (row + 1) * ROW_HEIGHT + 6 };
}

/** Grid lines, ticks and the names of the axes. */
function drawAxes(chart: LineChart, plot: Plot, palette: Palette, labelLeft: number): string {
  const { left, top, right, bottom } = plot;
  const grid = plot.y.ticks.map((tick) => {
    const y = placeY(plot, tick.value);
    return (
      `<line x1="${left}" x2="${right}" y1="${at(y)}" y2="${at(y)}" stroke="${palette.grid}"/>` +
      `<text x="${left - 8}" y="${at(y + 4)}" text-anchor="end" fill="${palette.muted}">${tick.label}</text>`
    );
  });
  const base = plot.x.ticks.map((tick) => {
    const x = at(placeX(plot, tick.value));
    return (
      `<line x1="${x}" x2="${x}" y1="${bottom}" y2="${bottom + 5}" stroke="${palette.muted}"/>` +
      `<text x="${x}" y="${bottom + 19}" text-anchor="middle" fill="${palette.muted}">${tick.label}</text>`
    );
  });
  const names =
    `<line x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}" stroke="${palette.muted}"/>` +
    `<text x="${at((left + right) / 2)}" y="${bottom + 38}" text-anchor="middle" fill="${palette.muted}">${escapeText(chart.xLabel)}</text>` +
    `<text x="${labelLeft}" y="${top - 14}" fill="${palette.muted}">${escapeText(chart.yLabel)}</text>`;
  return `<g>${grid.join("")}${base.join("")}${names}</g>`;
}

function placeX(plot: Plot, value: number): number {
  return plot.left + plot.x.place(value) * (plot.right - plot.left);
}

function placeY(plot: Plot, value: number): number {
  return plot.bottom - plot.y.place(value) * (plot.bottom - plot.top);
}

/** Every curve, its faint measurements below its smoothed line. */
function drawCurves(chart: LineChart, plot: Plot, palette: Palette): string {
  const numbers = colourNumbers(chart);
  const logX = chart.logX ?? false;
  const places = (points: readonly Point[]): Point[] =>
    points.map(([x, y]) => [placeX(plot, x), Math.min(plot.bottom, Math.max(plot.top, placeY(plot, y)))]);
  const curves = chart.series.map((series, index) => {
    const stroke = colourOf(palette, numbers[index]!);
    const main = places(readableCurve(series, logX));
    const faint = series.smoothing
      ? `<path d="${pathData(places(measuredCurve(series, logX)))}" stroke="${stroke}" stroke-opacity="0.28"/>`
      : "";
    const dash = series.dashed ? ' stroke-dasharray="6 4"' : "";
    const visible = main.filter(([, y]) => Number.isFinite(y));
    // A single point has no line: without a dot it would be invisible.
    const dots = series.markers || series.dots || visible.length === 1 ? visible : [];
    const opacity = series.dots ? ' fill-opacity="0.55"' : "";
    const circles = dots.map(
      ([x, y]) => `<circle cx="${at(x)}" cy="${at(y)}" r="3" fill="${stroke}"${opacity} stroke="none"/>`,
    );
    const line = series.dots ? "" : `<path d="${pathData(main)}" stroke="${stroke}" stroke-width="2"${dash}/>`;
    return `${faint}${line}${circles.join("")}`;
  });
  return `<g fill="none" stroke-width="1.5" stroke-linejoin="round" stroke-linecap="round">${curves.join("")}</g>`;
}

/** Levels to compare with; one outside a fixed y range is left out. */
function drawReferences(chart: LineChart, plot: Plot, palette: Palette): string {
  const lines = (chart.references ?? []).map(({ y, label }) => {
    const line = placeY(plot, y);
    if (!(line >= plot.top && line <= plot.bottom)) return "";
    return (
      `<line x1="${plot.left}" x2="${plot.right}" y1="${at(line)}" y2="${at(line)}" stroke="${palette.ink}" stroke-dasharray="2 4"/>` +
      `<text x="${plot.right}" y="${at(line - 6)}" text-anchor="end" fill="${palette.ink}" stroke="${palette.surface}" stroke-width="4" paint-order="stroke">${escapeText(label)}</text>`
    );
  });
  return `<g>${lines.join("")}</g>`;
}

/** A line chart as an SVG element; `data-…` attributes tell a script where the plot lies and what its axes span. */
export function drawLineChart(chart: LineChart, { width, height, palette, standalone }: DrawOptions): string {
  const pad = standalone ? 20 : 0;
  const legend = drawLegend(chart, palette, pad, pad + (standalone ? 26 : 0), width - 2 * pad);
  const top = pad + (standalone ? 26 : 0) + legend.height + 26;
  const dress = standalone
    ? `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10" fill="${palette.surface}" stroke="${palette.grid}"/>` +
      `<text x="${pad}" y="${pad + 12}" font-size="15" font-weight="600" fill="${palette.ink}">${escapeText(chart.title)}</text>`
    : "";
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(describeChart(chart))}" ${FONT}`;
  const axes = scales(chart, width, height);
  if (axes === undefined) {
    const empty = `<text x="${width / 2}" y="${height / 2}" text-anchor="middle" fill="${palette.muted}">no data</text>`;
    return `${head}>${dress}${legend.svg}${empty}</svg>`;
  }
  const labelWidth = Math.max(0, ...axes.y.ticks.map((tick) => textWidth(tick.label)));
  const plot: Plot = {
    left: pad + Math.ceil(labelWidth) + 10,
    top,
    right: width - pad - 12,
    bottom: height - pad - 42,
    ...axes,
  };
  const data = `data-plot="${plot.left} ${plot.top} ${plot.right} ${plot.bottom}" data-x="${plot.x.domain.join(" ")}" data-y="${plot.y.domain.join(" ")}"`;
  return `${head} ${data}>${dress}${legend.svg}${drawAxes(chart, plot, palette, pad)}${drawCurves(chart, plot, palette)}${drawReferences(chart, plot, palette)}</svg>`;
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
