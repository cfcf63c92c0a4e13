import { createHash } from "node:crypto";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import type { ChoiceData, ChoiceExample } from "../tasks/choice-data.ts";
import {
  type ChoiceResult,
  choiceFigures,
  choiceResult,
  choiceScores,
  choiceTrainingFigures,
} from "../tasks/choice-evaluation.ts";
import type { MultipleChoice } from "../tasks/multiple-choice.ts";
import { TextClassifierProgram } from "../tasks/text-classifier-program.ts";
import type { TrainListener } from "../train/event.ts";
import { textOfFramed } from "../transfer/language-text.ts";
import { type Chooser, saveChooser } from "./chooser.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { type HeldOut, runTask, type TaskOutcome } from "./run-task.ts";
import { type FinetuneStart, lengthIssues, openStart, startModel, vocabularyIssues } from "./start-classifier.ts";
import { strategyIssues } from "./strategy-issues.ts";

/** A model that chooses between options, and how it was made. */
export interface FinetunedChooser extends Chooser, TaskOutcome<ChoiceResult> {
  /** Writes a Hugging Face model directory. */
  save(folder: string): Promise<void>;
}

function dataHash({ examples }: ChoiceData): string {
  const hash = createHash("sha256");
  for (const { options, label } of examples) {
    hash.update(Int32Array.of(options.length, label));
    for (const { tokens, secondStart } of options)
      hash.update(tokens).update(Int32Array.of(tokens.length, secondStart));
  }
  return hash.digest("hex");
}

function tell(
  listener: TrainListener | undefined,
  { name, examples, numTruncated }: ChoiceData,
  longest: number,
): void {
  const counts = examples.map(({ options }) => options.length);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const range = least === most ? `${most}` : `${least} to ${most}`;
  const cut = numTruncated === 0 ? "" : `, ${numTruncated} cut to ${longest} tokens`;
  listener?.({ kind: "notice", message: `${name}: ${examples.length} questions with ${range} options${cut}` });
}

/**
 * Fine-tunes a pre-trained model to choose the right one of a question's options.
 *
 * The encoder's weights are those of `start`; the head is new from the seed, unless `start` chooses already. A run with an
 * `outputDir` that holds its checkpoint goes on from there.
 * @param start a model, or its folder
 * @param tables `train` and, for held-out figures, `eval`
 * @throws {ConfigError} when model and task do not fit, or options are wrong: all problems together; HEAD_MISSING where the
 * family has no such network
 * @throws {DataError} for rows that cannot be used, naming file and line
 * @throws {DivergenceError} NOT_FINITE; the last checkpoint stays
 * @source Radford et al. 2018 §3.3; Devlin et al. 2019 §4.4, arXiv:1810.04805
 */
export async function finetuneMultipleChoice(
  start: FinetuneStart,
  task: MultipleChoice,
  tables: { readonly train: TableSource; readonly eval?: TableSource | undefined },
  options: FinetuneOptions = {},
): Promise<FinetunedChooser> {
  const { dtype = "f32", listener, fromScratch = false } = options;
  const { tokenizer, ...settings } = task.settings;
  const { maxSeqLength, packed } = settings;
  const issues: ConfigIssue[] = [];
  const resolved = resolveFinetune(options, issues, choiceFigures, { byStrategy: true });
  const { train: trainOptions } = resolved;
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed, "multipleChoice");
  issues.push(...vocabularyIssues(opened, tokenizer));
  issues.push(...lengthIssues(opened, maxSeqLength, { path: "model.typeVocabSize" }));
  const { family, config, module: given } = opened.state;
  const source = {
    ...{ name: opened.name, language: opened.language, tokenizer, maxSeqLength, packed },
    textsOf: ({ options: own }: ChoiceExample) => own.map((text) => textOfFramed(text, tokenizer)),
  };
  // A family without such a network says so before any data are read.
  const structure = () => ({ family, config, module: family.multipleChoice(config) });
  issues.push(...strategyIssues(structure, source, resolved));
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const state = startModel(opened, family.multipleChoice(config), {
    ...{ seed, fromScratch, keepsHead: "isChoice" in given, adapter: resolved.adapter },
  });
  const { framing } = family;
  const data = await task.read(tables.train, { framing });
  tell(listener, data, maxSeqLength);
  const held = tables.eval === undefined ? undefined : await task.read(tables.eval, { framing });
  if (held !== undefined) tell(listener, held, maxSeqLength);
  const { batchSize, maxEvalExamples } = trainOptions;

  const open = (all: ChoiceData): HeldOut<ChoiceResult>["open"] => {
    const some = all.examples.slice(0, maxEvalExamples ?? undefined);
    return (place) => {
      const program = new TextClassifierProgram({
        ...place,
        ...{ model: state.module, batchSize, maxSeqLength, packed },
        ...{ policy: { compute: dtype }, padId: tokenizer.special.pad },
      });
      return {
        run: async (part) => {
          const scored = part === "all" ? all.examples : some;
          return choiceResult(scored, await choiceScores(program, scored));
        },
        dispose: () => program.dispose(),
      };
    };
  };
  const outcome = await runTask(
    {
      ...{ objective: task, state, examples: data.examples, source, resolved: { ...resolved, train: trainOptions } },
      held: held && {
        open: open(held),
        isWhole: (maxEvalExamples ?? held.examples.length) >= held.examples.length,
        figures: choiceTrainingFigures,
      },
      identity: { settings, tokenizer: tokenizer.hash, data: dataHash(data) },
    },
    options,
  );
  const { packed: _packed, maxSeqLength: _length, ...columns } = settings;
  const chooser: Chooser = { ...state, weights: outcome.weights, tokenizer, maxSeqLength, columns };
  return { ...chooser, ...outcome, save: (folder) => saveChooser(folder, chooser) };
}
