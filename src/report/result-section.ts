import { formatSpread, spread } from "../evaluation/spread.ts";
import { escapeText } from "./escape.ts";
import { formatNumber } from "./number.ts";
import { linearScale } from "./scale.ts";
import type { Bar, FilledBlank, SectionOf } from "./section.ts";
import { noteText } from "./table-section.ts";

function percent(share: number): string {
  return `${Number((Math.min(1, Math.max(0, share)) * 100).toFixed(2))}%`;
}

function filledBlank(blank: FilledBlank, mask: string): string {
  const [before, ...after] = blank.text.split(mask).map(escapeText);
  const best = escapeText(blank.candidates[0]?.token ?? "…");
  const open = '<span class="blank">…</span>';
  const sentence = after.length === 0 ? before : `${before}<mark class="blank">${best}</mark>${after.join(open)}`;
  const rows = blank.candidates.map(({ token, probability }) => {
    const hit = token === blank.expected ? ' class="hit"' : "";
    return (
      `<li${hit}><span class="token">${escapeText(token)}</span>` +
      `<span class="track" aria-hidden="true"><span style="width:${percent(probability)}"></span></span>` +
      `<span class="number">${(probability * 100).toFixed(1)} %</span></li>`
    );
  });
  const place = blank.candidates.findIndex(({ token }) => token === blank.expected);
  const verdict = place >= 0 ? `guess ${place + 1}` : "not among the guesses";
  const expected =
    blank.expected === undefined
      ? ""
      : `<p class="note">The text has <b>${escapeText(blank.expected)}</b>: ${verdict}.</p>`;
  return `<li><p class="sentence">${sentence}</p><ol class="guesses">${rows.join("")}</ol>${expected}</li>`;
}

/** Sentences with the model's guesses for their blanks. */
export function fillMaskSection({ blanks, mask = "[MASK]", note }: SectionOf<"fillMask">): string {
  return `<ul class="blanks">${blanks.map((blank) => filledBlank(blank, mask)).join("")}</ul>${noteText(note)}`;
}

/** A confusion matrix whose cells are tinted by their share of the true class. */
export function confusionSection({ names, matrix, note }: SectionOf<"confusion">): string {
  const head = names.map((name) => `<th scope="col" class="number">${escapeText(name)}</th>`);
  const rows = matrix.map((row, truth) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    const cells = row.map((count, prediction) => {
      const share = total === 0 ? 0 : count / total;
      const kind = truth === prediction ? "heat right" : "heat";
      const small = total === 0 ? "" : `<small>${Math.round(share * 100)} %</small>`;
      return `<td class="${kind}" style="--share:${Number(share.toFixed(3))}">${formatNumber(count)}${small}</td>`;
    });
    return `<tr><th scope="row">${escapeText(names[truth] ?? String(truth))}</th>${cells.join("")}</tr>`;
  });
  return (
    `<div class="scroll" tabindex="0"><table class="confusion"><caption>Rows: the true class. Columns: the predicted class. Tint: share of the row.</caption>` +
    `<thead><tr><td></td>${head.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>${noteText(note)}`
  );
}

/** Mean ± deviation of each bar, with a dot for every run. */
export function barsSection({ label, bars, range, digits = 3, note }: SectionOf<"bars">): string {
  const ends = bars.flatMap(({ values }) => {
    const { mean, deviation } = spread(values);
    return [...values, mean + (deviation || 0)];
  });
  const finite = ends.filter(Number.isFinite);
  const scale = linearScale(range ?? [Math.min(0, ...finite), Math.max(0, ...finite)], 5, range === undefined);
  const zero = scale.place(0);
  const row = ({ name, values }: Bar, index: number): string => {
    const own = spread(values);
    const at = scale.place(own.mean);
    const bar =
      zero < 0 || zero > 1 || Number.isNaN(at)
        ? ""
        : `<span class="bar" style="left:${percent(Math.min(zero, at))};width:${percent(Math.abs(Math.min(1, at) - zero))}"></span>`;
    const low = scale.place(own.mean - own.deviation);
    const high = scale.place(own.mean + own.deviation);
    const whisker = Number.isNaN(low)
      ? ""
      : `<span class="whisker" style="left:${percent(low)};width:${percent(Math.min(1, high) - Math.max(0, low))}"></span>`;
    const mean = Number.isNaN(at) ? "" : `<span class="mean" style="left:${percent(at)}"></span>`;
    const dots = values.map((value) => `<span class="dot" style="left:${percent(scale.place(value))}"></span>`);
    return (
      `<div class="bar-row" style="--own:var(--series-${index % 6})"><span class="name">${escapeText(name)}</span>` +
      `<span class="track" aria-hidden="true">${bar}${whisker}${mean}${dots.join("")}</span>` +
      `<span class="number">${formatSpread(own, digits)}</span></div>`
    );
  };
  const ticks = scale.ticks.map(
    (tick) => `<span style="left:${percent(scale.place(tick.value))}">${tick.label}</span>`,
  );
  const explanation = "Bars: mean. Lines: ± one sample standard deviation. Dots: single runs.";
  return (
    `<div class="bars"><p class="note">${escapeText(label)}</p>${bars.map(row).join("")}` +
    `<div class="bar-row axis" aria-hidden="true"><span class="name"></span><span class="ticks">${ticks.join("")}</span><span class="number"></span></div></div>` +
    `<p class="note">${explanation}${note === undefined ? "" : ` ${escapeText(note)}`}</p>`
  );
}
