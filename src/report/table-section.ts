import { escapeText } from "./escape.ts";
import { formatNumber } from "./number.ts";
import type { Column, KeyFigure, SectionOf } from "./section.ts";

/** A value as readers see it, escaped. */
export function shown(value: string | number): string {
  return escapeText(typeof value === "number" ? formatNumber(value) : value);
}

/** A paragraph below a figure or table; nothing for no note. */
export function noteText(note: string | undefined): string {
  return note === undefined ? "" : `<p class="note">${escapeText(note)}</p>`;
}

/** A table that scrolls by itself when the page is too narrow. */
export function table(columns: readonly Column[], rows: readonly (readonly (string | number)[])[]): string {
  const kind = (column: number): string => (columns[column]?.numeric ? ' class="number"' : "");
  const head = columns.map(({ label }, column) => `<th scope="col"${kind(column)}>${escapeText(label)}</th>`);
  const body = rows.map((row) => {
    const cells = row.map((cell, column) =>
      column === 0 ? `<th scope="row"${kind(column)}>${shown(cell)}</th>` : `<td${kind(column)}>${shown(cell)}</td>`,
    );
    return `<tr>${cells.join("")}</tr>`;
  });
  return `<div class="scroll" tabindex="0"><table><thead><tr>${head.join("")}</tr></thead><tbody>${body.join("")}</tbody></table></div>`;
}

export function tableSection({ columns, rows, note }: SectionOf<"table">): string {
  return table(columns, rows) + noteText(note);
}

function keyFigure({ label, value, note }: KeyFigure): string {
  const small = note === undefined ? "" : `<dd class="note">${escapeText(note)}</dd>`;
  return `<div><dt>${escapeText(label)}</dt><dd class="value">${shown(value)}</dd>${small}</div>`;
}

export function figuresSection({ figures }: SectionOf<"figures">): string {
  return `<dl class="figures">${figures.map(keyFigure).join("")}</dl>`;
}

export function textSection({ paragraphs }: SectionOf<"text">): string {
  return paragraphs.map((text) => `<p>${escapeText(text)}</p>`).join("");
}

export function codeSection({ code, note }: SectionOf<"code">): string {
  return `<pre tabindex="0"><code>${escapeText(code)}</code></pre>${noteText(note)}`;
}
