import { chartSection } from "./chart-section.ts";
import { escapeText } from "./escape.ts";
import { examplesSection } from "./example-section.ts";
import { PAGE_SCRIPT } from "./page-script.ts";
import { PAGE_STYLE } from "./page-style.ts";
import { barsSection, confusionSection, fillMaskSection } from "./result-section.ts";
import type { ReportSection } from "./section.ts";
import { codeSection, figuresSection, tableSection, textSection } from "./table-section.ts";

/** A whole report. */
export interface Report {
  readonly title: string;
  readonly subtitle?: string;
  readonly sections: readonly ReportSection[];
  /** How it was made, in small print. */
  readonly footer?: string;
}

/** The page may run its own script and nothing else; it can load nothing. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

function body(section: ReportSection): string {
  switch (section.kind) {
    case "figures":
      return figuresSection(section);
    case "lineChart":
      return chartSection(section);
    case "table":
      return tableSection(section);
    case "text":
      return textSection(section);
    case "code":
      return codeSection(section);
    case "fillMask":
      return fillMaskSection(section);
    case "confusion":
      return confusionSection(section);
    case "bars":
      return barsSection(section);
    case "examples":
      return examplesSection(section);
  }
}

function titleOf(section: ReportSection): string | undefined {
  return section.title ?? (section.kind === "lineChart" ? section.chart.title : undefined);
}

/** A report as one HTML file that needs nothing else: styles, drawings and script are inside, light and dark. */
export function renderReport({ title, subtitle, sections, footer }: Report): string {
  const parts = sections.map((section, index) => {
    const name = titleOf(section);
    const plain = section.kind === "figures" && name === undefined ? ' class="plain"' : "";
    const heading = name === undefined ? "" : `<h2>${escapeText(name)}</h2>`;
    return `<section id="part-${index + 1}"${plain}>${heading}${body(section)}</section>`;
  });
  const links = sections.flatMap((section, index) => {
    const name = titleOf(section);
    return name === undefined ? [] : [`<a href="#part-${index + 1}">${escapeText(name)}</a>`];
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeText(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header><h1>${escapeText(title)}</h1>${subtitle === undefined ? "" : `<p>${escapeText(subtitle)}</p>`}${
    links.length < 4 ? "" : `<nav aria-label="Contents">${links.join("")}</nav>`
  }</header>
<main>
${parts.join("\n")}
</main>
<footer>${footer === undefined ? "" : escapeText(footer)}</footer>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}
