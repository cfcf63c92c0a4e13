/** @file Settings of the engine: the same for recipes and for the command line. */
import { type ConfigOf, choiceField, defineFields, integerField, nullableField } from "../../formats/config-fields.ts";
import { type EngineOptions, engineNames } from "../../runtime.ts";

export const engineFields = defineFields({
  engine: choiceField(engineNames, { default: "onnx", doc: "onnx for all work; reference is a slow interpreter." }),
  threads: nullableField(integerField({ min: 1, doc: "Threads; null: all processors." })),
  binding: choiceField(["auto", "c-api", "onnxruntime-node"], {
    default: "auto",
    doc: "How ONNX Runtime is reached.",
  }),
});

/** The settings as the runtime takes them. */
export function engineOptions({ engine, threads, binding }: ConfigOf<typeof engineFields>): EngineOptions {
  return { engine, binding, ...(threads === null ? {} : { threads }) };
}
