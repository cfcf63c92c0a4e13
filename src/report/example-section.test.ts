import fc from "fast-check";
import { expect, test } from "vitest";
import { lineChartSvg } from "./draw-line-chart.ts";
import { renderReport } from "./render-report.ts";
import type { Example, TextMark } from "./section.ts";

const rendered = (examples: readonly Example[]): string => {
  const html = renderReport({ title: "t", sections: [{ kind: "examples", examples }] });
  return html.slice(html.indexOf("<main>"), html.indexOf("</main>"));
};
const plain = (html: string): string =>
  html
    .replace(/<small.*?<\/small>/g, "")
    .replace(/<[^<>]*>/g, "")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, "&");

const mark = fc.record({
  start: fc.integer({ min: -1, max: 12 }),
  end: fc.integer({ min: -1, max: 12 }),
  label: fc.constantFrom("PER", "<b>"),
  tone: fc.constantFrom("right", "wrong", "missed") as fc.Arbitrary<TextMark["tone"]>,
});

test("marks of any kind, overlapping too, change no letter and close what they open (bug: text lost between marks)", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(..."ab <>&\"'é日"), maxLength: 10 }),
      fc.array(mark, { maxLength: 4 }),
      (text, marks) => {
        const html = rendered([{ title: "x", texts: [{ text, marks }] }]);
        const sentence = /<p class="sentence marked" dir="auto">(.*?)<\/p>/s.exec(html)![1]!;
        expect(plain(sentence)).toBe(text);
        expect(sentence.match(/<mark/g)?.length ?? 0).toBe(sentence.match(/<\/mark>/g)?.length ?? 0);
        expect(html).not.toContain("<b>");
      },
    ),
  );
});

test("a mark covers its letters and bears its label (bug: an offset by one, a tone told by colour alone)", () => {
  const marks = [
    { start: 4, end: 8, label: "PER", tone: "right" },
    { start: 6, end: 10, label: "LOC", tone: "missed" },
  ] as const;
  const html = rendered([{ title: "line 3", texts: [{ text: "the Anna B", marks }] }]);
  expect(html).toContain(
    'the <mark class="right">An</mark><mark class="right missed">na</mark><small class="right">✓ PER</small>' +
      '<mark class="missed"> B</mark><small class="missed">○ LOC</small>',
  );
});

test("guesses and facts are shown escaped", () => {
  const guesses = [{ name: "<i>", probability: 0.25, isTrue: true }];
  const html = rendered([{ title: "a & b", texts: [], guesses, facts: [["true", "<u>"]] }]);
  expect(html).toContain('<li class="hit"><span class="token">&lt;i&gt;</span>');
  expect(html).toContain("25.0 %");
  expect(html).toContain("<h3>a &amp; b</h3>");
  expect(html).toContain("<dt>true</dt><dd>&lt;u&gt;</dd>");
});

test("dots have no line and keep any order of x (bug: a scatter joined to a scribble)", () => {
  const points = [
    [3, 1],
    [1, 2],
    [2, 0],
  ] as const;
  const svg = lineChartSvg({ title: "t", xLabel: "x", yLabel: "y", series: [{ name: "a", points, dots: true }] });
  // One of them in the legend.
  expect(svg.match(/<circle/g)).toHaveLength(4);
  expect(svg).not.toContain("<path");
  expect(svg).toContain("a: 3 points");
});
