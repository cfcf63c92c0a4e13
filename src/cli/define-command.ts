import { Command } from "commander";
import { reportFailure } from "./failure.ts";
import { Session } from "./session.ts";

/** What commander collected: option values by camel-case name. */
export type Given = Readonly<Record<string, unknown>>;

/** A command with the options that all have. */
export function defineCommand(name: string, summary = ""): Command {
  return new Command(name)
    .description(summary)
    .option("--json", "print the result as JSON on standard output")
    .option("--debug", "show the stack of an error");
}

/** Sets what a command does; errors are told and end the program with a failure. */
export function runs(
  command: Command,
  work: (session: Session, given: Given, args: string[]) => Promise<void>,
): Command {
  return command.action(async () => {
    const given: Given = command.opts();
    const session = new Session(given);
    try {
      // Arguments that are lists come as lists; all others as texts.
      await work(session, given, command.processedArgs.flat() as string[]);
    } catch (error) {
      reportFailure(error, session);
    }
  });
}
