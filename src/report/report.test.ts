import { describe, expect, it } from "vitest";
import { lineChartSvg } from "./draw-line-chart.ts";
import { escapeText } from "./escape.ts";
import { LIGHT } from "./palette.ts";
import { renderReport } from "./render-report.ts";
import type { ReportSection } from "./section.ts";

const EVIL = `<script>alert(1)</script>"'&</style>`;
const VOID = new Set(["meta", "br", "line", "path", "rect", "circle"]);

/** Fails unless every element is closed by its own end tag. */
function expectBalanced(html: string): void {
  const open: string[] = [];
  const outside = html.replace(/<(script|style)>.*?<\/\1>/gs, "").replace("<!doctype html>", "");
  for (const [, end, name, self] of outside.matchAll(/<(\/?)([a-z0-9]+)(?:\s[^<>]*?)?(\/?)>/gi)) {
    if (end) expect(open.pop()).toBe(name);
    else if (!self && !VOID.has(name!)) open.push(name!);
  }
  expect(open).toEqual([]);
  expect(outside.replace(/<[^<>]*>/g, "")).not.toMatch(/[<>]/);
}

function section(part: ReportSection): string {
  const html = renderReport({ title: "t", sections: [part] });
  expectBalanced(html);
  return html.slice(html.indexOf("<main>"), html.indexOf("</main>"));
}

describe("line chart", () => {
  const chart = {
    title: "Loss",
    xLabel: "step",
    yLabel: "nats",
    series: [
      {
        name: "a",
        points: [
          [0, 0],
          [5, 5],
          [10, 10],
        ],
      },
    ],
  } as const;
  it("puts the data where the axes say (y upside down; margins forgotten)", () => {
    const svg = lineChartSvg(chart, { width: 400, height: 300 });
    expectBalanced(svg);
    const [left, top, right, bottom] = /data-plot="([^"]*)"/.exec(svg)![1]!.split(" ").map(Number) as [
      number,
      number,
      number,
      number,
    ];
    expect(svg).toContain('data-x="0 10" data-y="0 10"');
    expect(svg).toContain(`d="M${left} ${bottom}L${(left + right) / 2} ${(top + bottom) / 2}L${right} ${top}"`);
    expect(svg).toContain('aria-label="Loss. nats over step. a: from 0 to 10."');
    expect(svg).toContain(`fill="${LIGHT.surface}"`);
    expect(svg).not.toContain("var(");
  });
  it("leaves out x ≤ 0 on a log axis (a path at minus infinity)", () => {
    const svg = lineChartSvg({
      ...chart,
      logX: true,
      series: [
        {
          name: "a",
          points: [
            [0, 9],
            [1, 1],
            [100, 2],
          ],
        },
      ],
    });
    expect(svg).toContain('data-x="1 100" data-y="1 2"');
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });
  it("gives curves of one name one colour and one legend entry", () => {
    const series = [1, 2, 3].map((seed) => ({
      name: "seeds",
      points: [
        [0, seed],
        [1, 2 * seed],
      ] as const,
    }));
    const svg = lineChartSvg({
      ...chart,
      series: [
        ...series,
        {
          name: "other",
          points: [
            [0, 1],
            [1, 1],
          ],
        },
      ],
    });
    expect(svg.match(/>seeds</g)).toHaveLength(1);
    expect(svg.match(new RegExp(`<path [^>]*${LIGHT.series[0]}`, "g"))).toHaveLength(3);
    expect(svg.match(new RegExp(`<path [^>]*${LIGHT.series[1]}`, "g"))).toHaveLength(1);
  });
  it("shows a lone point as a dot, no data as words, and a reference beyond the data within the axis", () => {
    expect(lineChartSvg({ ...chart, series: [{ name: "a", points: [[3, 3]] }] })).toContain("<circle");
    for (const points of [[], [[1, Number.NaN]]] as const) {
      const svg = lineChartSvg({ ...chart, series: [{ name: "a", points }] });
      expect(svg).toContain("no data");
      expect(svg).not.toContain("NaN");
    }
    expect(lineChartSvg({ ...chart, references: [{ y: 19, label: "entropy" }] })).toContain('data-y="0 20"');
  });
});

describe("report", () => {
  const all: ReportSection[] = [
    { kind: "figures", figures: [{ label: EVIL, value: EVIL, note: EVIL }] },
    {
      kind: "lineChart",
      note: EVIL,
      chart: {
        title: EVIL,
        xLabel: EVIL,
        yLabel: EVIL,
        series: [{ name: EVIL, points: [[1, 2]] }],
        references: [{ y: 1, label: EVIL }],
      },
    },
    { kind: "table", title: EVIL, columns: [{ label: EVIL }], rows: [[EVIL]], note: EVIL },
    { kind: "text", title: EVIL, paragraphs: [EVIL] },
    { kind: "code", title: EVIL, code: EVIL, note: EVIL },
    {
      kind: "fillMask",
      title: EVIL,
      blanks: [{ text: `${EVIL}[MASK]`, candidates: [{ token: EVIL, probability: 0.5 }], expected: EVIL }],
      note: EVIL,
    },
    { kind: "confusion", title: EVIL, names: [EVIL], matrix: [[1]], note: EVIL },
    { kind: "bars", title: EVIL, label: EVIL, bars: [{ name: EVIL, values: [1, 2] }], note: EVIL },
  ];
  it("escapes text of every kind of section, and stays one whole document", () => {
    const html = renderReport({ title: EVIL, subtitle: EVIL, sections: all, footer: EVIL });
    expectBalanced(html);
    expect(html).not.toContain("<script>alert");
    expect(html.match(/<script>/g)).toHaveLength(1);
    expect(html).not.toMatch(/="[^"]*"'&/);
  });
  it("asks for nothing outside itself", () => {
    const html = renderReport({ title: "t", sections: all }).replaceAll('xmlns="http://www.w3.org/2000/svg"', "");
    expect(html).not.toMatch(/https?:|src=|@import|url\(|<link/);
    expect(html).toContain("default-src 'none'");
  });
  it("has a script that parses", () => {
    const script = /<script>(.*)<\/script>/s.exec(renderReport({ title: "t", sections: [] }))![1]!;
    expect(() => new Function(script)).not.toThrow();
  });
  it("hands the pointer exact values of a long curve without bloating the file", () => {
    const points = Array.from({ length: 20_000 }, (_, x) => [x, 1 / (x + 3)] as const);
    const html = section({
      kind: "lineChart",
      chart: { title: "t", xLabel: "x", yLabel: "y", series: [{ name: "a", points }] },
    });
    const data = JSON.parse(/data-chart="([^"]*)"/.exec(html)![1]!.replaceAll("&quot;", '"'));
    expect(data.series[0].points[0]).toEqual([0, 0.33333]);
    expect(data.series[0].points.at(-1)).toEqual([19_999, 0.000049995]);
    expect(html.length).toBeLessThan(60_000);
  });
  it("tints confusion cells by their share of the true class (not of all rows), and an absent class not at all", () => {
    const html = section({
      kind: "confusion",
      names: ["a", "b", "c"],
      matrix: [
        [3, 1, 0],
        [0, 0, 0],
        [1, 1, 2],
      ],
    });
    expect([...html.matchAll(/--share:([\d.]+)/g)].map(([, share]) => Number(share))).toEqual([
      0.75, 0.25, 0, 0, 0, 0, 0.25, 0.25, 0.5,
    ]);
    expect(html).toContain('<td class="heat right" style="--share:0.75">3<small>75 %</small></td>');
  });
  it("draws bars from zero to the mean, whiskers of one deviation, a dot per run", () => {
    const html = section({
      kind: "bars",
      label: "F1",
      bars: [
        { name: "a", values: [0.4, 0.6] },
        { name: "b", values: [1] },
      ],
    });
    expect(html).toContain('class="bar" style="left:0%;width:50%"');
    // sample deviation of 0.4 and 0.6: 0.1414
    expect(html).toContain('class="whisker" style="left:35.86%;width:28.28%"');
    expect(html).toContain('class="dot" style="left:40%"');
    expect(html).toContain("0.500 ± 0.141 (2 runs)");
    expect(html.match(/class="whisker"/g)).toHaveLength(1);
  });
  it("draws no bar on an axis that does not start at zero (its length would lie)", () => {
    const html = section({ kind: "bars", label: "F1", range: [0.5, 1], bars: [{ name: "a", values: [0.75, 0.75] }] });
    expect(html).not.toContain('class="bar"');
    expect(html).toContain('class="mean" style="left:50%"');
  });
  it("fills the blank with the best guess and says where the right word stood", () => {
    const html = section({
      kind: "fillMask",
      mask: "<mask>",
      blanks: [
        {
          text: "The <mask> is <b>.",
          candidates: [
            { token: "dog", probability: 0.5 },
            { token: "cat", probability: 0.125 },
          ],
          expected: "cat",
        },
      ],
    });
    expect(html).toContain('The <mark class="blank">dog</mark> is &lt;b&gt;.');
    expect(html).toContain('<li class="hit"><span class="token">cat</span>');
    expect(html).toContain("12.5 %");
    expect(html).toContain("<b>cat</b>: guess 2.");
  });
  it("writes undefined figures as a dash", () => {
    const html = section({
      kind: "table",
      columns: [{ label: "a" }, { label: "b", numeric: true }],
      rows: [["x", Number.NaN]],
    });
    expect(html).toContain('<th scope="row">x</th><td class="number">–</td>');
    expect(section({ kind: "bars", label: "l", bars: [{ name: "none", values: [] }] })).not.toMatch(/NaN|Infinity/);
  });
});

it("replaces characters that no document may hold", () => {
  expect(escapeText("a\u0000\uD800b🙂\n")).toBe("a\uFFFD\uFFFDb🙂\n");
});
