/** @file Settings of the engine: the same for recipes and for the command line. */
import { xlaAttentions } from "../../backend/xla/xla-backend.ts";
import {
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  nullableField,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { type ComputeDType, computeDtypes } from "../../ir/dtype.ts";
import { type EngineOptions, engineChoices } from "../../runtime.ts";

const name = choiceField(engineChoices, {
  default: "onnx",
  doc: "onnx runs everywhere; onednn where its library is; auto: the faster; xla: GPUs, TPUs; reference: slow.",
});
const dtype = choiceField(computeDtypes, { default: "f32", doc: "What is computed in; bf16 needs onednn or xla." });
const threads = nullableField(integerField({ min: 1, doc: "Threads; null: all processors." }));
const binding = choiceField(["auto", "c-api", "onnxruntime-node"], {
  default: "auto",
  doc: "How ONNX Runtime is reached.",
});

const onednnLibrary = nullableField(textField({ doc: "Path of the oneDNN library; null: searched." }));
const plugin = nullableField(textField({ doc: "Path of a PJRT plugin, or of libtensorflow_cc.so.2; null: searched." }));
const devices = integerField({ default: 1, min: 1, doc: "Devices of an xla engine that share each training step." });
const attention = choiceField(xlaAttentions, {
  default: "fused",
  doc: "Attention of an xla engine: its compiler's kernels where it has them, or written-out.",
});

/** As options of a command. */
export const engineFields = defineFields({ engine: name, dtype, threads, binding, onednnLibrary, plugin });

/** What whatever only reads a model may ask for, too. */
export const useFields = defineFields({
  quantize: choiceField(["none", "int8"], { default: "none", doc: "Linear layers in 8 bits: faster, less exact." }),
  ...engineFields,
});

/** Longest text for a model that is only read. */
export const ownLengthField = nullableField(
  integerField({ min: 5, doc: "Longest text in tokens; the model's own if not given." }),
);

/** As a section of a recipe. */
export const engineTable = defineConfig({
  name: "engine",
  fields: defineFields({ name, dtype, threads, binding, onednnLibrary, plugin, devices, attention }),
});

export type EngineSettings = ConfigOf<typeof engineTable.fields>;

/** The engine and what it computes in, as the library's functions take them. */
export interface GivenEngine {
  readonly engine: EngineOptions;
  readonly dtype: ComputeDType;
}

/** A recipe's section as the library takes it. */
export function engineOptions({
  name: engine,
  dtype: compute,
  threads: count,
  binding: how,
  onednnLibrary: library,
  plugin: file,
  devices: shared,
  attention: kernels,
}: EngineSettings): GivenEngine {
  const options = {
    engine,
    binding: how,
    ...(count === null ? {} : { threads: count }),
    ...(library === null ? {} : { onednnLibrary: library }),
    ...(file === null ? {} : { plugin: file }),
    ...(shared === 1 ? {} : { devices: shared }),
    ...(kernels === "fused" ? {} : { attention: kernels }),
  };
  return { engine: options, dtype: compute };
}

/** A command's options as the library takes them. */
export function givenEngine({ engine, ...rest }: ConfigOf<typeof engineFields>): GivenEngine {
  return engineOptions({ name: engine, devices: 1, attention: "fused", ...rest });
}
