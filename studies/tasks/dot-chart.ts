/** @file A picture of figures by task: a line a task, a dot for each start, a tick for what needs no model. */
import { escapeText } from "../../src/report/escape.ts";
import { LIGHT } from "../../src/report/palette.ts";

export interface DotRow {
  readonly label: string;
  /** In percent. */
  readonly dots: readonly { readonly name: string; readonly mean: number; readonly deviation: number | undefined }[];
  readonly baseline: number | undefined;
}

const font = `font-family="system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" font-size="12"`;
const [rowHeight, left, right, top, width] = [24, 330, 30, 70, 860];

/** @param names of the dots in the order of their colours */
export function dotChartSvg(title: string, names: readonly string[], rows: readonly DotRow[]): string {
  const height = top + rowHeight * rows.length + 40;
  const x = (value: number): string =>
    (left + ((width - left - right) * Math.min(100, Math.max(0, value))) / 100).toFixed(1);
  const colour = (name: string): string => LIGHT.series[names.indexOf(name) % LIGHT.series.length]!;
  const bottom = top + rowHeight * rows.length;
  const grid = [0, 20, 40, 60, 80, 100].map(
    (value) =>
      `<line x1="${x(value)}" y1="${top - 6}" x2="${x(value)}" y2="${bottom}" stroke="${LIGHT.grid}"/>` +
      `<text x="${x(value)}" y="${bottom + 18}" text-anchor="middle" fill="${LIGHT.muted}">${value}</text>`,
  );
  let at = left;
  const legend = [...names, "without a model"].map((name) => {
    const isDot = names.includes(name);
    const mark = isDot
      ? `<circle cx="${at}" cy="44" r="5" fill="${colour(name)}"/>`
      : `<line x1="${at}" y1="38" x2="${at}" y2="50" stroke="${LIGHT.muted}" stroke-width="2"/>`;
    const entry = `${mark}<text x="${at + 10}" y="48" fill="${LIGHT.ink}">${escapeText(name)}</text>`;
    at += 34 + 6.7 * name.length;
    return entry;
  });
  const lines = rows.map(({ label, dots, baseline }, i) => {
    const y = top + rowHeight * (i + 0.5);
    const tick =
      baseline === undefined
        ? ""
        : `<line x1="${x(baseline)}" y1="${y - 7}" x2="${x(baseline)}" y2="${y + 7}" stroke="${LIGHT.muted}" stroke-width="2"/>`;
    const marks = dots.map(({ name, mean, deviation = 0 }) => {
      const spread = `<line x1="${x(mean - deviation)}" y1="${y}" x2="${x(mean + deviation)}" y2="${y}" stroke="${colour(name)}" stroke-width="3" opacity="0.45"/>`;
      return `${spread}<circle cx="${x(mean)}" cy="${y}" r="5" fill="${colour(name)}"/>`;
    });
    return (
      `<text x="${left - 12}" y="${y + 4}" text-anchor="end" fill="${LIGHT.ink}">${escapeText(label)}</text>` +
      `<line x1="${left}" y1="${y}" x2="${width - right}" y2="${y}" stroke="${LIGHT.grid}"/>${tick}${marks.join("")}`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeText(title)}" ${font}>`,
    `<rect width="${width}" height="${height}" fill="${LIGHT.surface}"/>`,
    `<text x="16" y="24" font-size="15" font-weight="600" fill="${LIGHT.ink}">${escapeText(title)}</text>`,
    ...grid,
    ...legend,
    ...lines,
    `<text x="${(left + width - right) / 2}" y="${bottom + 34}" text-anchor="middle" fill="${LIGHT.muted}">percent</text>`,
    "</svg>",
    "",
  ].join("\n");
}
