/** @file `firth adapter`: what fine-tuning with an adapter wrote, as an ordinary model. */
import type { Command } from "commander";
import { mergeAdapter } from "../../api/adapter.ts";
import { defineCommand, runs } from "../define-command.ts";
import { count, table } from "../number-text.ts";
import { requireNewFolder } from "../output-folder.ts";

function mergeCommand(): Command {
  const command = defineCommand("merge", "an adapter (LoRA, peft's too) and its model as one ordinary model")
    .argument("<adapter>", "folder of the adapter")
    .requiredOption("-o, --out <folder>", "new folder for the model")
    .option("--base <folder>", "the model, if it is no longer where the adapter says");
  return runs(command, async (session, given, [adapter]) => {
    const { out, base } = given as { readonly out: string; readonly base?: string };
    await requireNewFolder(out);
    const merged = await mergeAdapter(adapter!, { outputDir: out, base });
    const rows: [string, string][] = [
      ["model", merged.folder],
      ["family", merged.family],
      ["of", `${merged.base} and ${adapter}`],
      ["parameters", count(merged.parameters)],
    ];
    session.result({ adapter, ...merged }, table(rows));
  });
}

/** `firth adapter merge`. */
export function adapterCommands(group: Command): Command {
  return group.description("adapters of models").addCommand(mergeCommand());
}
