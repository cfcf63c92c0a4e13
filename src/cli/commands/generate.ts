/** @file `firth generate`: texts that a model writes. */
import type { Command } from "commander";
import { type GeneratedText, generationSettings, openGenerator } from "../../api/generate.ts";
import { booleanField, defineFields, integerField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { generationFields } from "../../generation/settings.ts";
import { runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { loadForUse } from "../model-use.ts";
import type { Session } from "../session.ts";
import { givenEngine, useFields } from "../settings/engine.ts";
import { standardLines } from "./standard-input.ts";

const ownFields = defineFields({
  batchSize: integerField({ default: 8, min: 1, doc: "Texts written side by side." }),
  startToken: booleanField({ default: false, doc: "Prompts begin with the token that begins texts." }),
  logProbabilities: booleanField({ default: false, doc: "With --json: of each new token, in nats." }),
  ...useFields,
});
const ownTable = defineConfig({ name: "generate", fields: ownFields });

function shown(prompt: string, texts: readonly GeneratedText[], isAnswer: boolean): string {
  return texts.map(({ text }) => (isAnswer ? text : prompt + text)).join("\n");
}

/** Writes one text to the terminal while it comes. */
async function stream(session: Session, prompt: string, pieces: AsyncIterable<string>): Promise<void> {
  await session.write(prompt);
  for await (const piece of pieces) await session.write(piece);
  await session.write("\n");
}

/** `firth generate MODEL [PROMPT…]`. */
export function generateCommand(command: Command): Command {
  command
    .description("texts that a model writes: what follows a prompt (GPT), or an answer to a source (BART, MASS, UniLM)")
    .argument("<model>", "folder of a model; its generation_config.json gives the defaults")
    .argument("[prompts...]", "prompts; lines of standard input when left out")
    .option("--stream", "show each text while it is written");
  addFieldOptions(command, ownFields);
  addFieldOptions(command, generationFields);
  return runs(command, async (session, given, [folder, ...prompts]) => {
    const { engine, dtype, threads, binding, onednnLibrary, plugin, quantize, ...own } = ownTable.resolve(
      fieldValues(given, ownFields),
    );
    const settings = { ...(await generationSettings(folder!, fieldValues(given, generationFields))), ...own };
    const model = await loadForUse("generate", folder!);
    const isAnswer = model.module.decoder !== undefined || !model.module.encoder.isCausal;
    const generator = await openGenerator(model, {
      quantize,
      ...givenEngine({ engine, dtype, threads, binding, onednnLibrary, plugin }),
    });
    try {
      const texts = prompts.length > 0 ? prompts : await standardLines();
      if (given.stream === true && !session.json) {
        for (const prompt of texts) await stream(session, isAnswer ? "" : prompt, generator.stream(prompt, settings));
        return;
      }
      const written = await generator.generate(texts, settings);
      session.result(
        texts.map((prompt, i) => ({ prompt, texts: written[i]! })),
        texts.map((prompt, i) => shown(prompt, written[i]!, isAnswer)).join("\n"),
      );
    } finally {
      await generator.dispose();
    }
  });
}
