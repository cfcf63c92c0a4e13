import { progressBar } from "./drawing.ts";
import { formatBytes, formatCount, formatDuration, formatRate } from "./format.ts";
import { livePace, type PlainPace, plainPace } from "./pace.ts";
import { type ProgressOptions, Terminal } from "./terminal.ts";
import { fitPieces } from "./text-width.ts";

/** What long work is called and counted in. */
export interface TaskOptions extends ProgressOptions, PlainPace {
  /** `Counting words`. */
  readonly label: string;
  /** Plural, `documents`; `bytes` is written in kB, MB, GB. */
  readonly unit: string;
  /** How much there is to do, where known. */
  readonly total?: number;
}

/** The display of one long piece of work. */
export interface TaskDisplay {
  /** Tells how much is done, and how much there is in all where that became known. */
  update(done: number, total?: number): void;
  /** Ends with one line that stays: how much in what time. */
  finish(): void;
  /** Takes the live line away without a word; for work that failed. */
  close(): void;
}

/** How far a piece of work is. */
export interface TaskState {
  readonly label: string;
  readonly unit: string;
  readonly done: number;
  readonly total: number | undefined;
  readonly seconds: number;
}

function amount(count: number, unit: string): string {
  return unit === "bytes" ? formatBytes(count) : formatCount(count);
}

function rate({ done, seconds, unit }: TaskState): string {
  return seconds > 0 && done > 0 ? formatRate(done / seconds, unit) : "";
}

/** A status line of long work, within so many columns. */
export function taskLine(state: TaskState, columns: number, bar: boolean): string {
  const { label, unit, done, total, seconds } = state;
  const known = total !== undefined && total > 0;
  const share = known ? Math.min(1, done / total) : 0;
  const plural = unit === "bytes" ? "" : ` ${unit}`;
  const left = known && done > 0 ? `${formatDuration((seconds * Math.max(0, total - done)) / done)} left` : "";
  return fitPieces(
    [
      { text: label, rank: 5 },
      { text: bar && known ? progressBar(share, 12) : "", rank: 1 },
      {
        text: known ? `${amount(done, unit)}/${amount(total, unit)}${plural}` : `${amount(done, unit)}${plural}`,
        rank: 4,
      },
      { text: known ? `${Math.floor(share * 100 + 1e-9)} %` : "", rank: 3 },
      { text: rate(state), rank: 2 },
      { text: left, rank: 3 },
    ],
    columns,
  );
}

/** What long work came to. */
export function taskSummary(state: TaskState): string {
  const plural = state.unit === "bytes" ? "" : ` ${state.unit}`;
  const speed = rate(state);
  const tail = speed === "" ? "" : ` (${speed})`;
  return `${state.label}: ${amount(state.done, state.unit)}${plural} in ${formatDuration(state.seconds)}${tail}`;
}

/** Shows long work: a live line on a terminal, plain lines from time to time elsewhere. */
export function taskProgress(options: TaskOptions): TaskDisplay {
  const { stream, now, label, unit } = options;
  const terminal = (options.live ?? options.stream.isTTY ?? false) ? new Terminal(stream) : undefined;
  const liveDue = livePace(now);
  const plainDue = plainPace(now, options);
  const start = now();
  let done = 0;
  let total = options.total;
  const state = (): TaskState => ({ label, unit, done, total, seconds: (now() - start) / 1000 });
  return {
    update(nowDone, nowTotal) {
      done = nowDone;
      total = nowTotal ?? total;
      if (terminal !== undefined) {
        if (liveDue(done === total)) terminal.draw([taskLine(state(), terminal.columns, true)]);
      } else if (plainDue(total ? done / total : 0)) {
        stream.write(`${taskLine(state(), Number.POSITIVE_INFINITY, false)}\n`);
      }
    },
    finish() {
      if (terminal !== undefined) terminal.print(taskSummary(state()));
      else stream.write(`${taskSummary(state())}\n`);
    },
    close: () => terminal?.clear(),
  };
}
