export type { LineChart, Series } from "./chart.ts";
export type { Point } from "./curve.ts";
export { lineChartSvg } from "./draw-line-chart.ts";
export { type Report, renderReport } from "./render-report.ts";
export type { Bar, Column, Example, FilledBlank, KeyFigure, MarkedText, ReportSection, TextMark } from "./section.ts";
