/** @file `firth export`: a model as ONNX files. */
import type { Command } from "commander";
import { exportModel } from "../../api/export.ts";
import { exportTasks } from "../../export/task.ts";
import { choiceField, defineFields, nullableField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { count, table } from "../number-text.ts";
import { requireNewFolder } from "../output-folder.ts";

const fields = defineFields({
  task: nullableField(
    choiceField(exportTasks, { doc: "What the files compute; what the class in config.json is for if not given." }),
  ),
  dtype: choiceField(["f32", "int8"], {
    default: "f32",
    doc: "int8: linear layers in 8 bits, a quarter of their size.",
  }),
});
const exportTable = defineConfig({ name: "export", fields });

/** `firth export MODEL --out FOLDER`. */
export function exportCommand(command: Command): Command {
  command
    .description("a model as ONNX files that ONNX Runtime, transformers.js and optimum load")
    .argument("<model>", "folder of a pre-trained or fine-tuned model")
    .requiredOption("-o, --out <folder>", "new folder for the files");
  addFieldOptions(command, fields);
  return runs(command, async (session, given, [model]) => {
    const { task, dtype } = exportTable.resolve(fieldValues(given, fields));
    const { out } = given as { readonly out: string };
    await requireNewFolder(out);
    const exported = await exportModel(model!, { outputDir: out, dtype, ...(task === null ? {} : { task }) });
    const rows: [string, string][] = [
      ["folder", exported.folder],
      ["family", exported.family],
      ["task", exported.task],
      ["operators", `ONNX ${exported.opset}`],
      ...exported.files.map(({ name, bytes }): [string, string] => [name, `${count(bytes)} bytes`]),
    ];
    session.result({ model, ...exported }, table(rows));
  });
}
