import type { Command } from "commander";
import { runs } from "../define-command.ts";
import { checkLine } from "../doctor/check-line.ts";
import { engineRelatedChecks } from "../doctor/engine-check.ts";
import { machineChecks } from "../doctor/machine-check.ts";

/** `firth doctor`. */
export function doctorCommand(command: Command): Command {
  command.description("check that everything Firth needs works here, and how fast");
  return runs(command, async (session) => {
    const checks = [...(await machineChecks()), ...(await engineRelatedChecks())];
    const width = Math.max(...checks.map(({ name }) => name.length));
    session.result(checks, checks.map((check) => checkLine(check, width)).join("\n"));
    if (checks.some(({ status }) => status === "fail")) session.fail();
  });
}
