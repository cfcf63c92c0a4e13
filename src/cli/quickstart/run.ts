/** @file The quickstart: raw text in, a fine-tuned model and a report out. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Backend } from "../../backend/backend.ts";
import { readMetrics } from "../../formats/metrics-log.ts";
import {
  bert,
  bertConfig,
  type EvaluationEvent,
  type Finetuned,
  fillMask,
  finetune,
  jsonLines,
  lineChartSvg,
  maskedLanguageModeling,
  type Pretrained,
  pretrain,
  ShardedCorpus,
  saveModel,
  type TextModel,
  type TrainListener,
  textClassification,
  textDocuments,
  unigramEntropy,
  WordPiece,
} from "../../index.ts";
import type { PretrainingModel } from "../../models/model.ts";
import { documentation, moduleSentences } from "./documentation.ts";
import { reportName } from "./place.ts";
import { accuracyChart, pretrainingChart, type QuickstartFigures, quickstartReport } from "./report.ts";
import { blanks, finetuning, maxSeqLength, model, pretraining, sentencesPerModule, vocabSize } from "./settings.ts";
import { type TaskFiles, writeTaskFiles } from "./task-data.ts";

export interface QuickstartOptions {
  readonly outputDir: string;
  /** Where the packages with the documentation lie. */
  readonly nodeModules: string;
  readonly seed: number;
  readonly engine: Backend;
  readonly signal: AbortSignal;
  /** Runs training with its progress shown. */
  readonly watch: <T>(work: (listen: TrainListener) => Promise<T>) => Promise<T>;
  /** Tells people what happens next. */
  readonly say: (text: string) => void;
}

export interface QuickstartResult extends QuickstartFigures {
  readonly reportFile: string;
  readonly modelFolder: string;
}

/** Loss curves of a run, collected while it goes. */
class Curve {
  readonly train: [number, number][] = [];
  readonly evaluations: EvaluationEvent[] = [];

  listener(next: TrainListener): TrainListener {
    return (event) => {
      if (event.kind === "step") this.train.push([event.step, event.loss]);
      if (event.kind === "evaluation") this.evaluations.push(event);
      next(event);
    };
  }
}

/** Text for pre-training: everything but the sentences that the classifiers are tested on. */
async function readText(nodeModules: string, heldOut: ReadonlySet<string>) {
  const documents = (await documentation(nodeModules)).map((sentences) => sentences.filter((s) => !heldOut.has(s)));
  const words = documents.flat().reduce((sum, sentence) => sum + sentence.split(/\s+/).length, 0);
  return {
    source: textDocuments(
      documents.filter((sentences) => sentences.length > 0),
      "documentation",
    ),
    words,
  };
}

async function pretrainOn(options: QuickstartOptions, files: TaskFiles) {
  const { outputDir, seed, engine, signal, watch, say } = options;
  const { source, words } = await readText(options.nodeModules, files.heldOut);
  say(`Read ${words.toLocaleString("en")} words of documentation from ${options.nodeModules}.`);
  const tokenizer = await WordPiece.train(source.lines(), { vocabSize, minFrequency: 2 });
  say(`Trained a WordPiece tokenizer: ${tokenizer.vocabSize.toLocaleString("en")} entries.`);
  const config = bertConfig({ ...model, vocabSize: tokenizer.vocabSize });
  const start = bert(config, { seed });
  const objective = maskedLanguageModeling({ tokenizer, maxSeqLength });
  const corpusDir = join(outputDir, "pretraining");
  say(`\nPre-training a small BERT to guess masked words (${pretraining.maxSteps.toLocaleString("en")} steps):`);
  const pretrained = await watch((listen) =>
    pretrain(start, objective, source.split({ evalFraction: 0.05, seed }), {
      ...pretraining,
      lanes: "auto",
      seed,
      engine,
      signal,
      outputDir: corpusDir,
      listener: listen,
    }),
  );
  const heldOutText = await ShardedCorpus.open(join(corpusDir, "corpus-eval"));
  const counts = new Float64Array(tokenizer.vocabSize);
  for (let i = 0; i < heldOutText.numDocuments; i++) {
    for (const token of heldOutText.document(i).tokens) counts[token] = counts[token]! + 1;
  }
  await heldOutText.close();
  // The files know the whole course, also of a run that was interrupted.
  const logged = readMetrics(join(corpusDir, "metrics.jsonl"));
  const ofKind = (kind: string) =>
    logged.filter((line) => line.kind === kind).map(({ step, loss }): [number, number] => [step, Number(loss)]);
  const masked = { train: ofKind("train"), heldOut: ofKind("evaluation") };
  return { pretrained, words, unigram: unigramEntropy(counts), masked };
}

/** Runs the whole and gives its figures; undefined when it was interrupted. */
export async function runQuickstart(options: QuickstartOptions): Promise<QuickstartResult | undefined> {
  const { outputDir, nodeModules, seed, engine, signal, watch, say } = options;
  const began = performance.now();
  await mkdir(outputDir, { recursive: true });
  const files = await writeTaskFiles(outputDir, await moduleSentences(nodeModules), sentencesPerModule, seed);
  const { pretrained, words, unigram, masked } = await pretrainOn(options, files);
  if (pretrained.run.reason === "interrupted") return undefined;

  const task = textClassification({
    tokenizer: pretrained.tokenizer,
    maxSeqLength,
    textColumns: "sentence",
    labelColumn: "module",
  });
  const tables = { train: jsonLines(files.train), eval: jsonLines(files.dev) };
  const classify = (fromScratch: boolean, curve: Curve): Promise<Finetuned> =>
    watch((listen) =>
      finetune(pretrained, task, tables, {
        ...finetuning,
        seed,
        engine,
        signal,
        fromScratch,
        listener: curve.listener(listen),
      }),
    );
  const curves = { pretrained: new Curve(), scratch: new Curve() };
  say(`\nFine-tuning it to tell which Node module a sentence documents (${files.numTrain} labelled sentences):`);
  const classifier = await classify(false, curves.pretrained);
  if (signal.aborted) return undefined;
  say("\nThe same network from scratch, same seed, same sentences:");
  const control = await classify(true, curves.scratch);
  if (signal.aborted) return undefined;

  const modelFolder = join(outputDir, "model");
  await saveModel(modelFolder, pretrained as TextModel<PretrainingModel>);
  await classifier.save(join(outputDir, "classifier"));
  const fills = await fillMask(
    pretrained as Pretrained,
    blanks.map(({ text }) => text),
    { topK: 5, engine },
  );
  const figures: QuickstartFigures = {
    seed,
    words,
    numParameters: [...pretrained.weights.values()].reduce((sum, data) => sum + data.length, 0),
    unigram,
    evalLoss: pretrained.evalLoss!,
    numTrain: files.numTrain,
    numDev: files.numDev,
    majority: majorityShare(classifier),
    accuracy: { pretrained: classifier.evaluation!.accuracy, scratch: control.evaluation!.accuracy },
    seconds: (performance.now() - began) / 1000,
    fills: fills.map(({ text, masks }, i) => ({
      text,
      expected: blanks[i]!.expected,
      candidates: masks[0]!.map(({ token, probability }) => ({ token, probability })),
    })),
  };
  const reportFile = join(outputDir, reportName);
  await writeFile(
    reportFile,
    quickstartReport(
      figures,
      { masked, ...curves },
      { labels: classifier.labels, confusion: classifier.evaluation!.confusion },
    ),
  );
  await writeFile(join(outputDir, "pretraining.svg"), lineChartSvg(pretrainingChart({ masked }, unigram)));
  await writeFile(join(outputDir, "accuracy.svg"), lineChartSvg(accuracyChart(curves)));
  await writeFile(join(outputDir, "figures.json"), `${JSON.stringify(figures, null, 2)}\n`);
  return { ...figures, reportFile, modelFolder };
}

/** Accuracy of always answering the commonest class. */
function majorityShare({ evaluation }: Finetuned): number {
  const sizes = evaluation!.confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
  return Math.max(...sizes) / sizes.reduce((sum, size) => sum + size, 0);
}
