import type { Command } from "commander";
import { type FilledText, fillMask } from "../../api/fill-mask.ts";
import { defineFields, integerField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { loadForUse } from "../model-use.ts";
import { percent } from "../number-text.ts";
import { engineFields, givenEngine } from "../settings/engine.ts";

const fields = defineFields({
  topK: integerField({ default: 5, min: 1, doc: "Candidates for each blank." }),
  ...engineFields,
});
const fillTable = defineConfig({ name: "fill-mask", fields });

function filledText({ text, masks }: FilledText): string {
  const lines = masks.map((candidates) =>
    candidates.map(({ token, probability }) => `${token} ${percent(probability)}`).join(", "),
  );
  return [text, ...lines.map((line) => `  ${line}`)].join("\n");
}

/** `firth fill-mask MODEL TEXT…`. */
export function fillMaskCommand(command: Command): Command {
  command
    .description("the likeliest words for the blanks of a text")
    .argument("<model>", "folder of a pre-trained model")
    .argument("<texts...>", "texts with [MASK] where a word is to be guessed");
  addFieldOptions(command, fields);
  return runs(command, async (session, given, [model, ...texts]) => {
    const { topK, ...engine } = fillTable.resolve(fieldValues(given, fields));
    const pretrained = await loadForUse("fill-mask", model!);
    const filled = await fillMask(pretrained, texts, { topK, ...givenEngine(engine) });
    session.result(filled, filled.map(filledText).join("\n"));
  });
}
