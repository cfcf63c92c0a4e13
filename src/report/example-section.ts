/** @file Single examples: texts with marked parts, what is true, and what a model makes of them. */
import { escapeText } from "./escape.ts";
import type { Example, MarkedText, SectionOf, TextMark } from "./section.ts";
import { noteText } from "./table-section.ts";

/** Signs beside the colours, for those who do not see them. */
const signs: Readonly<Record<TextMark["tone"], string>> = { right: "✓", wrong: "✗", missed: "○" };

/** Marks that lie in the text and have a length. */
function usable({ text, marks }: MarkedText): TextMark[] {
  return marks.filter(({ start, end }) => start >= 0 && start < end && end <= text.length);
}

/** A text in pieces: each has the tones of all marks over it, and the labels of those that end with it. */
function markedText(item: MarkedText): string {
  const marks = usable(item);
  const ends = [...new Set([0, item.text.length, ...marks.flatMap(({ start, end }) => [start, end])])];
  ends.sort((a, b) => a - b);
  return ends
    .slice(1)
    .map((end, i) => {
      const start = ends[i]!;
      const piece = escapeText(item.text.slice(start, end));
      const over = marks.filter((mark) => mark.start <= start && mark.end >= end);
      const tones = [...new Set(over.map(({ tone }) => tone))];
      const labels = marks
        .filter((mark) => mark.end === end)
        .map(({ tone, label }) => `<small class="${tone}">${signs[tone]} ${escapeText(label)}</small>`);
      const shown = tones.length === 0 ? piece : `<mark class="${tones.join(" ")}">${piece}</mark>`;
      return shown + labels.join("");
    })
    .join("");
}

function percent(share: number): string {
  return `${Number((Math.min(1, Math.max(0, share)) * 100).toFixed(2))}%`;
}

function guessRow({ name, probability, isTrue }: NonNullable<Example["guesses"]>[number]): string {
  return (
    `<li${isTrue ? ' class="hit"' : ""}><span class="token">${escapeText(name)}</span>` +
    `<span class="track" aria-hidden="true"><span style="width:${percent(probability)}"></span></span>` +
    `<span class="number">${(probability * 100).toFixed(1)} %</span></li>`
  );
}

function example({ title, texts, guesses = [], facts = [] }: Example): string {
  const shown = texts.map((item) => {
    const text = markedText(item);
    // A text runs in the direction of its own first letter; what stands before it does not decide that.
    if (item.label === undefined) return `<p class="sentence marked" dir="auto">${text}</p>`;
    return `<p class="sentence marked"><b>${escapeText(item.label)}</b> <bdi>${text}</bdi></p>`;
  });
  const rows = facts.map(([name, value]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd>`);
  const list = guesses.length === 0 ? "" : `<ol class="guesses">${guesses.map(guessRow).join("")}</ol>`;
  const table = rows.length === 0 ? "" : `<dl class="facts">${rows.join("")}</dl>`;
  return `<li><h3>${escapeText(title)}</h3>${shown.join("")}${table}${list}</li>`;
}

/** Examples one below the other. */
export function examplesSection({ examples, note }: SectionOf<"examples">): string {
  const hasMarks = examples.some(({ texts }) => texts.some((item) => usable(item).length > 0));
  const legend = hasMarks
    ? '<p class="note">✓ <mark class="right">right</mark>, ✗ <mark class="wrong">predicted, but not so</mark>, ○ <mark class="missed">missed</mark></p>'
    : "";
  return `${legend}<ol class="examples">${examples.map(example).join("")}</ol>${noteText(note)}`;
}
