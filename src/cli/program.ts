import { createRequire } from "node:module";
import { Command } from "commander";
import { adapterCommands } from "./commands/adapter.ts";
import { askCommand } from "./commands/ask.ts";
import { benchCommands } from "./commands/bench.ts";
import { evaluateCommand } from "./commands/classify.ts";
import { compareCommand } from "./commands/compare.ts";
import { dataCommands } from "./commands/data.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { embedCommand } from "./commands/embed.ts";
import { engineCommands } from "./commands/engine.ts";
import { exportCommand } from "./commands/export.ts";
import { fillMaskCommand } from "./commands/fill-mask.ts";
import { finetuneCommand } from "./commands/finetune.ts";
import { generateCommand } from "./commands/generate.ts";
import { glueCommand } from "./commands/glue.ts";
import { importCommand } from "./commands/import.ts";
import { infoCommand } from "./commands/info.ts";
import { perplexityCommand, promptCommand } from "./commands/likelihood.ts";
import { predictCommand } from "./commands/predict.ts";
import { pretrainCommand } from "./commands/pretrain.ts";
import { searchCommand } from "./commands/search.ts";
import { settingsCommand } from "./commands/settings.ts";
import { tokenizerCommands } from "./commands/tokenizer.ts";
import { indexCommands } from "./commands/vector-index.ts";
import { positionCommands, vocabularyCommands } from "./commands/vocabulary.ts";
import { defineCommand } from "./define-command.ts";

/** Version of the package. */
export function packageVersion(): string {
  const facts = createRequire(import.meta.url)("../../package.json") as { readonly version: string };
  return facts.version;
}

/** Commander's settings do not reach commands that are added whole: this brings them there. */
function settle(command: Command): void {
  command.exitOverride().configureHelp({ showGlobalOptions: false }).showHelpAfterError("(add --help for the options)");
  for (const child of command.commands) settle(child);
}

/** The whole command line. */
export function createProgram(): Command {
  const program = new Command("firth")
    .description("Self-supervised pre-training and transfer learning of language models.")
    .version(packageVersion());
  tokenizerCommands(program.command("tokenizer"));
  dataCommands(program.command("data"));
  program.addCommand(pretrainCommand(defineCommand("pretrain")));
  program.addCommand(finetuneCommand(defineCommand("finetune")));
  program.addCommand(searchCommand(defineCommand("search")));
  program.addCommand(compareCommand(defineCommand("compare")));
  program.addCommand(glueCommand(defineCommand("glue")));
  program.addCommand(evaluateCommand(defineCommand("evaluate")));
  program.addCommand(predictCommand(defineCommand("predict")));
  program.addCommand(embedCommand(defineCommand("embed")));
  indexCommands(program.command("index"));
  program.addCommand(askCommand(defineCommand("ask")));
  program.addCommand(fillMaskCommand(defineCommand("fill-mask")));
  adapterCommands(program.command("adapter"));
  vocabularyCommands(program.command("vocabulary"));
  positionCommands(program.command("positions"));
  program.addCommand(exportCommand(defineCommand("export")));
  program.addCommand(importCommand(defineCommand("import")));
  program.addCommand(generateCommand(defineCommand("generate")));
  program.addCommand(perplexityCommand(defineCommand("perplexity")));
  program.addCommand(promptCommand(defineCommand("prompt")));
  program.addCommand(settingsCommand(defineCommand("settings")));
  program.addCommand(infoCommand(defineCommand("info")));
  program.addCommand(doctorCommand(defineCommand("doctor")));
  engineCommands(program.command("engine"));
  benchCommands(program.command("bench"));
  settle(program);
  return program;
}
