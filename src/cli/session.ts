/** @file What a command of the command line talks to the world through. */
import { once } from "node:events";
import process from "node:process";
import { FirthError } from "../base/errors.ts";
import type { TrainListener } from "../train/event.ts";
import {
  type TaskDisplay,
  type TaskOptions,
  type TrainDisplay,
  taskProgress,
  trainProgress,
} from "./progress/index.ts";

type StopName = "SIGINT" | "SIGTERM";

const exitCodes: Readonly<Record<StopName, number>> = { SIGINT: 130, SIGTERM: 143 };

const terminal = { stream: process.stderr, now: () => performance.now() };

/** One run of one command: the result goes to standard output, everything else to standard error. */
export class Session {
  /** Whether the result is wanted as JSON. */
  readonly json: boolean;
  /** Whether errors are shown with their stack. */
  readonly debug: boolean;
  /** Is told what training runs tell, beside the display. */
  private listener: TrainListener | undefined;

  constructor(options: { readonly json?: boolean | undefined; readonly debug?: boolean | undefined }) {
    this.json = options.json ?? false;
    this.debug = options.debug ?? false;
  }

  /** The same session, whose training runs are told to a listener, too. */
  alsoTelling(listener: TrainListener): Session {
    const session = new Session(this);
    session.listener = listener;
    return session;
  }

  /** A remark for people. */
  say(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  /** Shows how far work is while it goes on; the display ends with it. */
  async watch<T>(task: Pick<TaskOptions, "label" | "unit">, work: (display: TaskDisplay) => Promise<T>): Promise<T> {
    const display = taskProgress({ ...task, ...terminal });
    try {
      const result = await work(display);
      display.finish();
      return result;
    } finally {
      display.close();
    }
  }

  /** Shows work of several parts, one after the other: to begin a part is to end the one before. */
  async watchParts<T>(
    work: (begin: (task: Pick<TaskOptions, "label" | "unit">) => TaskDisplay) => Promise<T>,
  ): Promise<T> {
    let display: TaskDisplay | undefined;
    try {
      const result = await work((task) => {
        display?.finish();
        display = taskProgress({ ...task, ...terminal });
        return display;
      });
      display?.finish();
      return result;
    } finally {
      display?.close();
    }
  }

  /** Shows a training run while it goes on. */
  async watchTraining<T>(work: (listen: TrainDisplay["listen"]) => Promise<T>): Promise<T> {
    const display = trainProgress(terminal);
    try {
      const { listener } = this;
      if (listener === undefined) return await work(display.listen);
      return await work((event) => {
        display.listen(event);
        listener(event);
      });
    } finally {
      display.close();
    }
  }

  /** The command's result: one JSON document on one line with --json, the text otherwise. */
  result(value: unknown, text: string): void {
    process.stdout.write(`${this.json ? JSON.stringify(value) : text}\n`);
  }

  /** One of many results: a line on standard output; waits where the reader is slower. */
  async line(text: string): Promise<void> {
    if (!process.stdout.write(`${text}\n`)) await once(process.stdout, "drain");
  }

  /** A part of the result, as it is; waits where the reader is slower. */
  async write(text: string): Promise<void> {
    if (!process.stdout.write(text)) await once(process.stdout, "drain");
  }

  /** Makes the program end with a failure, though the command ends as usual. */
  fail(): void {
    process.exitCode = 1;
  }

  /**
   * Runs work that can stop early: the first SIGINT or SIGTERM aborts the signal, a second one exits at once.
   * The program then ends with 130 or 143.
   */
  async stoppable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const stop = (name: StopName): void => {
      if (controller.signal.aborted) process.exit(exitCodes[name]);
      process.exitCode = exitCodes[name];
      this.say(`${name}: finishing the work at hand; once more to exit at once.`);
      controller.abort(new FirthError(`by ${name}.`, { code: "INTERRUPTED", path: "stopped" }));
    };
    const names = Object.keys(exitCodes) as StopName[];
    for (const name of names) process.on(name, stop);
    try {
      return await work(controller.signal);
    } finally {
      for (const name of names) process.off(name, stop);
    }
  }
}
