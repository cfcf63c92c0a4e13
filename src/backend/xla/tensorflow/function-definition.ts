/**
 * @file A StableHLO module as a function of TensorFlow: one `XlaCallModule` node, which must be compiled by XLA.
 * @source tensorflow/core/framework/{function,op_def,node_def,attr_value,tensor_shape}.proto, core/protobuf/config.proto
 */
import type { TensorType } from "../../../ir/dtype.ts";
import type { XlaProgram } from "../executor.ts";
import { dataTypes } from "./function-table.ts";
import { MessageWriter } from "./message-writer.ts";

/** The first version of the operation that TensorFlow calls stable for all that Firth writes (TensorFlow 2.14 and later). */
const OPERATION_VERSION = 9;
const NODE = "call";

type Write = (writer: MessageWriter) => void;

const typeList =
  (types: readonly TensorType[]): Write =>
  (value) =>
    value.message(1, (list) =>
      list.packed(
        6,
        types.map(({ dtype }) => dataTypes[dtype]),
      ),
    );

const shapeList =
  (types: readonly TensorType[]): Write =>
  (value) =>
    value.message(1, (list) => {
      for (const { shape } of types) {
        list.message(7, (written) => {
          for (const size of shape) written.message(2, (dim) => dim.integer(1, size));
        });
      }
    });

const textList =
  (texts: readonly string[]): Write =>
  (value) =>
    value.message(1, (list) => {
      for (const text of texts) list.text(2, text);
    });

/** The module as a serialised `FunctionDef` of that name. */
export function functionDefinition(name: string, { text, inputs, outputs }: XlaProgram): Uint8Array {
  const argument = (prefix: string, type: TensorType, i: number): Write => {
    return (definition) => definition.text(1, `${prefix}${i}`).integer(3, dataTypes[type.dtype]);
  };
  return new MessageWriter()
    .message(1, (signature) => {
      signature.text(1, name);
      for (const [i, type] of inputs.entries()) signature.message(2, argument("in", type, i));
      for (const [i, type] of outputs.entries()) signature.message(3, argument("out", type, i));
    })
    .message(3, (node) => {
      node.text(1, NODE).text(2, "XlaCallModule");
      for (const i of inputs.keys()) node.text(3, `in${i}`);
      node
        .entry(5, "Tin", typeList(inputs))
        .entry(5, "Tout", typeList(outputs))
        .entry(5, "Sout", shapeList(outputs))
        .entry(5, "module", (value) => value.text(2, text))
        .entry(5, "version", (value) => value.integer(3, OPERATION_VERSION))
        .entry(5, "platforms", textList(["CPU"]));
    })
    .textEntries(
      4,
      outputs.map((_, i) => [`out${i}`, `${NODE}:output:${i}`]),
    )
    .entry(5, "_XlaMustCompile", (value) => value.integer(5, 1))
    .finish();
}

/** A serialised `ConfigProto` for so many threads. */
export function contextConfig(threads: number): Uint8Array {
  return new MessageWriter().integer(2, threads).integer(5, 1).finish();
}
