/** @file The quickstart's report. */
import { type FilledBlank, type ReportSection, renderReport } from "../../index.ts";
import type { EvaluationEvent } from "../../train/event.ts";

export interface QuickstartFigures {
  readonly seed: number;
  /** Words of documentation read. */
  readonly words: number;
  readonly numParameters: number;
  /** Entropy of the held-out tokens' frequencies, nats a token: what guessing by frequency would score. */
  readonly unigram: number;
  /** Held-out loss after pre-training, nats a masked token. */
  readonly evalLoss: number;
  readonly numTrain: number;
  readonly numDev: number;
  /** Accuracy of the commonest class. */
  readonly majority: number;
  readonly accuracy: { readonly pretrained: number; readonly scratch: number };
  readonly seconds: number;
  readonly fills: readonly FilledBlank[];
}

export interface RunCurve {
  readonly train: readonly (readonly [number, number])[];
  readonly evaluations: readonly EvaluationEvent[];
}

export interface QuickstartCurves {
  readonly masked: {
    readonly train: readonly (readonly [number, number])[];
    readonly heldOut: readonly (readonly [number, number])[];
  };
  readonly pretrained: RunCurve;
  readonly scratch: RunCurve;
}

/** Name and colour order of the two classifiers in every chart. */
const names = { pretrained: "pre-trained start", scratch: "from scratch" } as const;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** The chart of pre-training, also used as the README's picture. */
export function pretrainingChart({ masked }: Pick<QuickstartCurves, "masked">, unigram: number) {
  return {
    title: "Guessing masked words",
    xLabel: "step",
    yLabel: "loss, nats a masked token",
    references: [{ y: unigram, label: "by word frequency alone" }],
    series: [
      { name: "training", points: masked.train, smoothing: 0.95 },
      { name: "held-out text", points: masked.heldOut, markers: true },
    ],
  };
}

/** The chart of both classifiers' accuracy. */
export function accuracyChart(curves: Pick<QuickstartCurves, "pretrained" | "scratch">) {
  return {
    title: "Which module does a sentence document?",
    xLabel: "step",
    yLabel: "accuracy on held-out sentences",
    series: (["pretrained", "scratch"] as const).map((kind) => ({
      name: names[kind],
      points: curves[kind].evaluations.map(({ step, means }) => [step, means.accuracy ?? Number.NaN] as const),
      markers: true,
    })),
  };
}

/** The report as one HTML file. */
export function quickstartReport(
  figures: QuickstartFigures,
  curves: QuickstartCurves,
  classes: { readonly labels: readonly string[]; readonly confusion: readonly (readonly number[])[] },
): string {
  const { accuracy, majority, words, numParameters, unigram, evalLoss, numTrain, numDev, seconds } = figures;
  const sections: ReportSection[] = [
    {
      kind: "figures",
      figures: [
        { label: "pre-trained start", value: percent(accuracy.pretrained), note: `accuracy on ${numDev} sentences` },
        { label: "from scratch", value: percent(accuracy.scratch), note: "same network, seed and labels" },
        { label: "commonest class", value: percent(majority) },
        {
          label: "held-out loss",
          value: evalLoss,
          note: `nats a masked token; by frequency alone ${unigram.toFixed(2)}`,
        },
      ],
    },
    {
      kind: "text",
      title: "What happened",
      paragraphs: [
        `A BERT of ${numParameters.toLocaleString("en")} parameters read ${words.toLocaleString("en")} words of the ` +
          "documentation inside node_modules and learnt to guess masked words: no labels needed.",
        `Then it learnt from ${numTrain} labelled sentences to tell which Node module a sentence documents. The same ` +
          "network without pre-training had the same sentences, the same seed and the same number of steps.",
        `All of it took ${Math.round(seconds)} seconds, seed ${figures.seed}.`,
      ],
    },
    { kind: "lineChart", chart: pretrainingChart(curves, unigram) },
    { kind: "lineChart", chart: accuracyChart(curves) },
    {
      kind: "lineChart",
      chart: {
        title: "Loss while fine-tuning",
        xLabel: "step",
        yLabel: "training loss, nats a sentence",
        series: (["pretrained", "scratch"] as const).map((kind) => ({
          name: names[kind],
          points: curves[kind].train,
          smoothing: 0.8,
        })),
      },
      note: "A pre-trained start reaches a lower loss, sooner (Hao et al. 2019, arXiv:1908.05620).",
    },
    { kind: "fillMask", title: "Fill in the blank", blanks: figures.fills },
    {
      kind: "confusion",
      title: "Where the classifier is wrong",
      names: classes.labels,
      matrix: classes.confusion,
    },
  ];
  return renderReport({ title: "Firth quickstart", subtitle: "Raw text in, a fine-tuned model out", sections });
}
