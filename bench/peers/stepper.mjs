// One side of a comparison: a child process that makes one training step for each line "step" on its standard input.
// Protocol: every answer is one JSON line; {"stepMs": …} answers a step, other objects before it (such as {"ready": true})
// are passed over, and the report follows the end of input.

import { startProcess } from "../line-process.mjs";

const canPause = process.platform !== "win32";

/**
 * Starts one side; it warms up by itself and is then paused until its first block of steps.
 * @param {{ label: string, command: string, args: string[], env?: Record<string, string>, timeoutMs?: number }} options
 */
export async function startSide({ timeoutMs = 900_000, ...options }) {
  const side = startProcess(options);
  const pause = () => canPause && side.kill("SIGSTOP");
  const resume = () => canPause && side.kill("SIGCONT");

  const step = async () => {
    side.write("step");
    for (;;) {
      const { stepMs } = await side.next(timeoutMs);
      if (typeof stepMs === "number") return stepMs;
    }
  };

  return {
    label: side.label,
    /** Makes `count` steps while the other side is paused; returns milliseconds, as the side itself measured them. */
    async steps(count) {
      resume();
      const times = [];
      for (let made = 0; made < count; made++) times.push(await step());
      pause();
      return times;
    },
    /** Closes the side's input and returns its report. */
    async finish() {
      resume();
      side.endInput();
      let report;
      for (;;) {
        try {
          report = await side.next(timeoutMs);
        } catch (error) {
          if (report && side.ended === "exit code 0") return report;
          throw error;
        }
      }
    },
    stop() {
      resume();
      side.kill("SIGKILL");
    },
  };
}
