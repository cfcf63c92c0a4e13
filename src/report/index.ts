export type { Point } from "./curve.ts";
export { type LineChart, lineChartSvg, type Series } from "./line-chart.ts";
export { type Report, renderReport } from "./render-report.ts";
export type { Bar, Column, FilledBlank, KeyFigure, ReportSection } from "./section.ts";
