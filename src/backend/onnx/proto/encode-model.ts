import { BackendError } from "../../../base/errors.ts";
import { ELEMENT_TYPES, elementCount } from "./element-type.ts";
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo, OnnxWeight } from "./model.ts";
import { ModelProto } from "./schema.ts";

const DEFAULT_IR_VERSION = 10;

/** `AttributeProto.AttributeType`, onnx.proto. */
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8 } as const;

const utf8 = new TextEncoder();

/** A 64-bit integer as protobufjs takes it; bigint must be split into words. */
function int64(value: number | bigint): number | { low: number; high: number; unsigned: boolean } {
  if (typeof value === "number") {
    return value;
  }
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned: false };
}

function tensorMessage(name: string, tensor: OnnxTensor): object {
  const { code, byteSize } = ELEMENT_TYPES[tensor.dtype];
  const { buffer, byteOffset, byteLength } = tensor.data;
  const expected = elementCount(tensor.shape) * byteSize;
  if (byteLength !== expected) {
    throw new BackendError(
      `initializer bytes must match shape and dtype; ${tensor.dtype}[${tensor.shape}] needs ${expected} bytes, got ${byteLength}. Pass data of exactly that many elements.`,
      { code: "TENSOR_BYTES", path: name === "" ? "onnx tensor" : name },
    );
  }
  return { dims: tensor.shape, dataType: code, name, rawData: new Uint8Array(buffer, byteOffset, byteLength) };
}

/** `TensorProto.DataLocation.EXTERNAL`. */
const EXTERNAL = 1;

function weightMessage({ name, dtype, shape, location, region }: OnnxWeight): object {
  const place = region === undefined ? {} : { offset: region.offset, length: region.bytes };
  const externalData = Object.entries({ location, ...place }).map(([key, value]) => ({ key, value: String(value) }));
  return { dims: shape, dataType: ELEMENT_TYPES[dtype].code, name, externalData, dataLocation: EXTERNAL };
}

function attributeMessage(name: string, attribute: OnnxAttribute): object {
  if ("float" in attribute) {
    return { name, type: ATTRIBUTE_TYPE.float, f: attribute.float };
  }
  if ("int" in attribute) {
    return { name, type: ATTRIBUTE_TYPE.int, i: int64(attribute.int) };
  }
  if ("string" in attribute) {
    return { name, type: ATTRIBUTE_TYPE.string, s: utf8.encode(attribute.string) };
  }
  if ("tensor" in attribute) {
    return { name, type: ATTRIBUTE_TYPE.tensor, t: tensorMessage("", attribute.tensor) };
  }
  if ("graph" in attribute) {
    return { name, type: ATTRIBUTE_TYPE.graph, g: graphMessage(attribute.graph) };
  }
  if ("floats" in attribute) {
    return { name, type: ATTRIBUTE_TYPE.floats, floats: attribute.floats };
  }
  if ("ints" in attribute) {
    return { name, type: ATTRIBUTE_TYPE.ints, ints: attribute.ints.map(int64) };
  }
  return { name, type: ATTRIBUTE_TYPE.strings, strings: attribute.strings.map((text) => utf8.encode(text)) };
}

function nodeMessage(node: OnnxNode): object {
  return {
    input: node.inputs,
    output: node.outputs,
    name: node.name ?? "",
    opType: node.opType,
    domain: node.domain ?? "",
    attribute: Object.entries(node.attributes ?? {}).map(([name, value]) => attributeMessage(name, value)),
  };
}

function valueMessage(value: OnnxValueInfo): object {
  const elemType = ELEMENT_TYPES[value.dtype].code;
  if (value.shape === undefined) {
    return { name: value.name, type: { tensorType: { elemType } } };
  }
  const dim = value.shape.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size }));
  return { name: value.name, type: { tensorType: { elemType, shape: { dim } } } };
}

function graphMessage(graph: OnnxGraph): object {
  return {
    name: graph.name,
    node: graph.nodes.map(nodeMessage),
    initializer: [
      ...Object.entries(graph.initializers ?? {}).map(([name, tensor]) => tensorMessage(name, tensor)),
      ...(graph.weights ?? []).map(weightMessage),
    ],
    input: graph.inputs.map(valueMessage),
    output: graph.outputs.map(valueMessage),
    valueInfo: (graph.valueInfo ?? []).map(valueMessage),
  };
}

/**
 * The bytes of an ONNX model, ready for `OrtBinding.createSession`.
 * @returns a `ModelProto` message; large initializers cost one copy
 * @throws {BackendError} TENSOR_BYTES when a constant's bytes do not fit its shape
 * @source onnx.proto
 */
export function encodeModel(model: OnnxModel): Uint8Array {
  const message = {
    irVersion: model.irVersion ?? DEFAULT_IR_VERSION,
    producerName: "firth",
    graph: graphMessage(model.graph),
    opsetImport: Object.entries(model.opsets).map(([domain, version]) => ({ domain, version })),
    metadataProps: Object.entries(model.metadata ?? {}).map(([key, value]) => ({ key, value })),
  };
  return ModelProto.encode(message).finish();
}
