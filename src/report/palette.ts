/** Colours of a drawing: CSS colours, or variables of the page that holds it. */
export interface Palette {
  readonly surface: string;
  readonly ink: string;
  readonly muted: string;
  readonly grid: string;
  readonly series: readonly string[];
}

/** Colours of the light theme; the series differ in hue and brightness, also for colour-blind readers. */
export const LIGHT: Palette = {
  surface: "#ffffff",
  ink: "#171b24",
  muted: "#596273",
  grid: "#e3e7ee",
  series: ["#1b66c9", "#d2600a", "#0a8a6a", "#a53f92", "#8a6d00", "#4b5567"],
};

/** Colours of the dark theme, in the same order of hues. */
export const DARK: Palette = {
  surface: "#171b23",
  ink: "#e7eaf0",
  muted: "#9da7b8",
  grid: "#2a313d",
  series: ["#72b2ff", "#ff9d57", "#4fd0a6", "#e392d4", "#e0c04a", "#b1bccd"],
};

/** Colours taken from the page, which follows the reader's theme. */
export const PAGE: Palette = {
  surface: "var(--surface)",
  ink: "var(--ink)",
  muted: "var(--muted)",
  grid: "var(--grid)",
  series: LIGHT.series.map((_, index) => `var(--series-${index})`),
};

/** The declarations that give `PAGE` the colours of a theme. */
export function pageVariables(theme: Palette): string {
  const series = theme.series.map((colour, index) => `--series-${index}:${colour};`).join("");
  return `--surface:${theme.surface};--ink:${theme.ink};--muted:${theme.muted};--grid:${theme.grid};${series}`;
}
