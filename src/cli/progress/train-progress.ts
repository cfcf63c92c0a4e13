import type { EvaluationEvent, StepEvent, TrainListener } from "../../train/event.ts";
import { Course } from "./drawing.ts";
import { livePace, type PlainPace, plainPace } from "./pace.ts";
import { type ProgressOptions, Terminal } from "./terminal.ts";
import { eventLine, liveLines, stepLine } from "./train-text.ts";

const SPARK_PLACES = 24;

/** A listener that draws a training run, and its end. */
export interface TrainDisplay {
  readonly listen: TrainListener;
  /** Takes the live lines away; needed when the run ends by an error. */
  close(): void;
}

/** Shows a training run: two live lines on a terminal, plain lines from time to time elsewhere. */
export function trainProgress(options: ProgressOptions & PlainPace): TrainDisplay {
  return (options.live ?? options.stream.isTTY ?? false) ? liveTrainProgress(options) : plainTrainProgress(options);
}

function liveTrainProgress({ stream, now }: ProgressOptions): TrainDisplay {
  const terminal = new Terminal(stream);
  const due = livePace(now);
  const losses = new Course(SPARK_PLACES);
  let step: StepEvent | undefined;
  let evaluation: EvaluationEvent | undefined;
  let savedAt: number | undefined;
  const draw = (force: boolean): void => {
    if (step === undefined || !due(force)) return;
    terminal.draw(liveLines({ step, losses: losses.values, evaluation, savedAt }, terminal.columns));
  };
  return {
    listen(event) {
      if (event.kind === "step") {
        step = event;
        losses.add(event.loss);
        draw(event.step === event.maxSteps);
      } else if (event.kind === "checkpoint") {
        savedAt = event.step;
        draw(false);
      } else {
        if (event.kind === "evaluation") evaluation = event;
        terminal.print(eventLine(event)!);
        if (event.kind !== "end") draw(true);
      }
    },
    close: () => terminal.clear(),
  };
}

function plainTrainProgress({ stream, now, ...pace }: ProgressOptions & PlainPace): TrainDisplay {
  const due = plainPace(now, pace);
  let start = 0;
  let last: StepEvent | undefined;
  let written = -1;
  const write = (event: StepEvent): void => {
    written = event.step;
    stream.write(`${stepLine(event)}\n`);
  };
  return {
    listen(event) {
      if (event.kind === "step") {
        last = event;
        if (due((event.step - start) / (event.maxSteps - start))) write(event);
        return;
      }
      if (event.kind === "start") start = event.step;
      // The last step is told whether or not a line was due: its loss is what the reader looks for.
      if (event.kind === "end" && last !== undefined && last.step !== written) write(last);
      stream.write(`${eventLine(event)}\n`);
    },
    close: () => undefined,
  };
}
