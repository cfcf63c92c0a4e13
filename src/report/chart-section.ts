import { colourNumbers, type LineChart, readableCurve } from "./chart.ts";
import { drawLineChart } from "./draw-line-chart.ts";
import { escapeText } from "./escape.ts";
import { PAGE } from "./palette.ts";
import type { SectionOf } from "./section.ts";
import { table } from "./table-section.ts";

/** Five significant digits: enough to read a value under the pointer, short enough to keep the file small. */
function short(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(5)) : null;
}

/** What the page's script needs to show values under the pointer, as JSON. */
function hoverData(chart: LineChart): string {
  const colours = colourNumbers(chart);
  return JSON.stringify({
    logX: chart.logX ?? false,
    xLabel: chart.xLabel,
    series: chart.series.map((series, index) => ({
      name: series.name,
      colour: colours[index]! % PAGE.series.length,
      points: readableCurve(series, chart.logX ?? false).map(([x, y]) => [short(x), short(y)]),
    })),
  });
}

/** First, lowest and last value of each curve: the chart in words. */
function summaryTable(chart: LineChart): string {
  // First and last mean nothing among dots.
  const curves = chart.series.filter(({ dots }) => dots !== true);
  if (curves.length === 0) return "";
  const rows = curves.map((series) => {
    const points = series.points.filter(([, y]) => Number.isFinite(y));
    const [first, last] = [points[0], points.at(-1)];
    if (first === undefined || last === undefined) return [series.name, "–", "–", "–", "–"];
    const lowest = points.reduce((best, point) => (point[1] < best[1] ? point : best));
    return [series.name, first[1], lowest[1], lowest[0], last[1]];
  });
  const numeric = ["first", "lowest", `lowest at (${chart.xLabel})`, "last"].map((label) => ({ label, numeric: true }));
  return `<details><summary>Values as a table</summary>${table([{ label: chart.yLabel }, ...numeric], rows)}</details>`;
}

/** A line chart, drawn once for wide and once for narrow pages; the values are beside it as a table. */
export function chartSection({ chart, note }: SectionOf<"lineChart">): string {
  const wide = drawLineChart(chart, { width: 820, height: 400, palette: PAGE, standalone: false });
  const narrow = drawLineChart(chart, { width: 360, height: 300, palette: PAGE, standalone: false });
  const smooth = chart.series.some((series) => series.smoothing)
    ? "Faint lines are single values, strong lines moving averages."
    : "";
  const caption = [note ?? "", smooth].filter((part) => part !== "").map(escapeText);
  return (
    `<figure class="chart" data-chart="${escapeText(hoverData(chart))}">` +
    `<div class="wide">${wide}</div><div class="narrow">${narrow}</div><div class="tip" hidden></div>` +
    (caption.length > 0 ? `<figcaption>${caption.join(" ")}</figcaption>` : "") +
    `${summaryTable(chart)}</figure>`
  );
}
