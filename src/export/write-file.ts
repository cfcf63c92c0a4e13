/** @file ONNX files, with their numbers inside or, where these are many, in a file beside them. */
import { basename } from "node:path";
import { ELEMENT_TYPES, elementCount } from "../backend/onnx/proto/element-type.ts";
import { encodeModel } from "../backend/onnx/proto/encode-model.ts";
import type { OnnxModel, OnnxWeight } from "../backend/onnx/proto/model.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import type { TensorType } from "../ir/dtype.ts";
import type { FileGraph } from "./file-graph.ts";
import type { FileWeights } from "./weights.ts";

/** Version of the standard operators that files are written in (Gelu is there from 20 on). */
export const FILE_OPSET = 20;

/** Files end at 2 GiB; from here on numbers go beside them. */
export const MOST_BYTES_INSIDE = 1.5e9;

/** Numbers beside a model begin at multiples of this, so that they can be mapped into memory. */
const ALIGNMENT = 4096;

const bytesOf = ({ dtype, shape }: TensorType): number => elementCount(shape) * ELEMENT_TYPES[dtype].byteSize;

export interface WriteFileOptions {
  /** Numbers of more bytes than this go into a file beside the model; 1.5 · 10⁹ by default. */
  readonly mostBytesInside?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** What was written. */
export interface WrittenFile {
  /** Of the model and the numbers beside it. */
  readonly bytes: number;
  /** Whether the numbers lie in `<name>_data`. */
  readonly hasDataFile: boolean;
}

const modelOf = (graph: FileGraph, metadata: Readonly<Record<string, string>>): OnnxModel => ({
  graph: {
    name: graph.name,
    nodes: graph.nodes,
    inputs: graph.inputs,
    outputs: graph.outputs,
    initializers: graph.initializers,
  },
  opsets: { "": FILE_OPSET },
  metadata,
});

/** Bytes that a file will take, but for its nodes. */
export function parameterBytes(graph: FileGraph, weights: FileWeights): number {
  return [...graph.parameters].reduce((sum, name) => sum + bytesOf(weights.type(name)), 0);
}

/** A model with all its numbers inside, as the bytes of a file. */
export function encodeFile(
  graph: FileGraph,
  weights: FileWeights,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const model = modelOf(graph, metadata);
  const parameters = Object.fromEntries([...graph.parameters].map((name) => [name, weights.tensor(name)]));
  return encodeModel({
    ...model,
    graph: { ...model.graph, initializers: { ...model.graph.initializers, ...parameters } },
  });
}

/**
 * Writes an ONNX file, and `<path>_data` beside it where its numbers are too many for one file.
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE, WRITE_FAILED
 */
export async function writeOnnxFile(
  path: string,
  graph: FileGraph,
  weights: FileWeights,
  { mostBytesInside = MOST_BYTES_INSIDE, metadata = {} }: WriteFileOptions = {},
): Promise<WrittenFile> {
  const total = parameterBytes(graph, weights);
  if (total <= mostBytesInside) {
    const bytes = encodeFile(graph, weights, metadata);
    await writeFileAtomic(path, bytes, { expectedBytes: bytes.length });
    return { bytes: bytes.length, hasDataFile: false };
  }
  const dataPath = `${path}_data`;
  const placed: OnnxWeight[] = [];
  let end = 0;
  await writeFileAtomic(
    dataPath,
    async (sink) => {
      for (const name of graph.parameters) {
        const { dtype, shape, data } = weights.tensor(name);
        const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
        if (offset > end) await sink.write(new Uint8Array(offset - end));
        await sink.write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
        end = offset + data.byteLength;
        placed.push({ name, location: basename(dataPath), dtype, shape, region: { offset, bytes: data.byteLength } });
      }
    },
    { expectedBytes: total },
  );
  const model = modelOf(graph, metadata);
  const bytes = encodeModel({ ...model, graph: { ...model.graph, weights: placed } });
  await writeFileAtomic(path, bytes, { expectedBytes: bytes.length });
  return { bytes: bytes.length + end, hasDataFile: true };
}
