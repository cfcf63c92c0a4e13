/** @file Settings of the engine: the same for recipes and for the command line. */
import { type ConfigOf, choiceField, defineFields, integerField, nullableField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { type EngineOptions, engineNames } from "../../runtime.ts";

const name = choiceField(engineNames, { default: "onnx", doc: "onnx for all work; reference is a slow interpreter." });
const threads = nullableField(integerField({ min: 1, doc: "Threads; null: all processors." }));
const binding = choiceField(["auto", "c-api", "onnxruntime-node"], {
  default: "auto",
  doc: "How ONNX Runtime is reached.",
});

/** As options of a command. */
export const engineFields = defineFields({ engine: name, threads, binding });

/** As a section of a recipe. */
export const engineTable = defineConfig({ name: "engine", fields: defineFields({ name, threads, binding }) });

export type EngineSettings = ConfigOf<typeof engineTable.fields>;

/** A recipe's section as the runtime takes it. */
export function engineOptions({ name: engine, threads: count, binding: how }: EngineSettings): EngineOptions {
  return { engine, binding: how, ...(count === null ? {} : { threads: count }) };
}

/** A command's options as the runtime takes them. */
export function givenEngine({ engine, ...rest }: ConfigOf<typeof engineFields>): EngineOptions {
  return engineOptions({ name: engine, ...rest });
}
