import type { ConfusionMatrix } from "../evaluation/confusion.ts";
import type { LineChart } from "./chart.ts";

/** One key figure; text is shown as it is, numbers to four significant digits. */
export interface KeyFigure {
  readonly label: string;
  readonly value: string | number;
  /** A unit, a comparison. */
  readonly note?: string;
}

/** A column of a table; numbers stand flush right. */
export interface Column {
  readonly label: string;
  readonly numeric?: boolean;
}

/** A sentence with blanks and the model's guesses for them. */
export interface FilledBlank {
  /** The sentence, with the mask token where the blank is. */
  readonly text: string;
  /** Guesses for the first blank, best first, with probabilities in `[0, 1]`. */
  readonly candidates: readonly { readonly token: string; readonly probability: number }[];
  /** What stood there. */
  readonly expected?: string;
}

/** One bar: the figure of each run of one kind. */
export interface Bar {
  readonly name: string;
  readonly values: readonly number[];
}

/** A marked part of a text. */
export interface TextMark {
  /** UTF-16 units [start, end) of the text; marks may overlap. */
  readonly start: number;
  readonly end: number;
  readonly label: string;
  /** `right`: true and predicted; `wrong`: predicted only; `missed`: true only. */
  readonly tone: "right" | "wrong" | "missed";
}

export interface MarkedText {
  /** Stands before it. */
  readonly label?: string;
  readonly text: string;
  readonly marks: readonly TextMark[];
}

/** One example and what a model makes of it. */
export interface Example {
  readonly title: string;
  readonly texts: readonly MarkedText[];
  /** Classes with probabilities in `[0, 1]`, best first. */
  readonly guesses?: readonly { readonly name: string; readonly probability: number; readonly isTrue: boolean }[];
  /** Further facts by name. */
  readonly facts?: readonly (readonly [name: string, value: string])[];
}

/** A part of a report. */
export type ReportSection =
  | { readonly kind: "figures"; readonly title?: string; readonly figures: readonly KeyFigure[] }
  | { readonly kind: "lineChart"; readonly title?: string; readonly chart: LineChart; readonly note?: string }
  | {
      readonly kind: "table";
      readonly title?: string;
      readonly columns: readonly Column[];
      readonly rows: readonly (readonly (string | number)[])[];
      readonly note?: string;
    }
  | { readonly kind: "text"; readonly title?: string; readonly paragraphs: readonly string[] }
  | { readonly kind: "code"; readonly title?: string; readonly code: string; readonly note?: string }
  | {
      readonly kind: "fillMask";
      readonly title?: string;
      readonly blanks: readonly FilledBlank[];
      /** The mask token in the sentences; default `[MASK]`. */
      readonly mask?: string;
      readonly note?: string;
    }
  | {
      readonly kind: "confusion";
      readonly title?: string;
      readonly names: readonly string[];
      /** `[true class][predicted class]`, counts */
      readonly matrix: ConfusionMatrix;
      readonly note?: string;
    }
  | {
      readonly kind: "examples";
      readonly title?: string;
      readonly examples: readonly Example[];
      readonly note?: string;
    }
  | {
      readonly kind: "bars";
      readonly title?: string;
      /** What the bars measure. */
      readonly label: string;
      readonly bars: readonly Bar[];
      /** Ends of the axis; from 0 to the data's largest by default. Another start draws points instead of bars. */
      readonly range?: readonly [low: number, high: number];
      readonly digits?: number;
      readonly note?: string;
    };

/** The section of one kind. */
export type SectionOf<K extends ReportSection["kind"]> = Extract<ReportSection, { kind: K }>;
