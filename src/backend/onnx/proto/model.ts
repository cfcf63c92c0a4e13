import type { OnnxElementType } from "./element-type.ts";

/** A constant tensor: row-major, little-endian bytes of exactly `shape` × element size. */
export interface OnnxTensor {
  readonly dtype: OnnxElementType;
  readonly shape: readonly number[];
  /** Any typed array over the elements; its bytes are copied while encoding. */
  readonly data: ArrayBufferView;
}

/** An attribute's value, tagged by ONNX's attribute type, because `1` alone may be an int or a float. */
export type OnnxAttribute =
  | { readonly float: number }
  | { readonly int: number | bigint }
  | { readonly string: string }
  | { readonly tensor: OnnxTensor }
  | { readonly graph: OnnxGraph }
  | { readonly floats: readonly number[] }
  | { readonly ints: readonly (number | bigint)[] }
  | { readonly strings: readonly string[] };

/** One operator call. */
export interface OnnxNode {
  readonly opType: string;
  /** Operator domain; absent means the standard one, "com.microsoft" ONNX Runtime's own operators. */
  readonly domain?: string;
  /** Shown in ONNX Runtime's error messages and profiles. */
  readonly name?: string;
  /** Value names; the empty string stands for an omitted optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

/** A named, typed graph input or output; a string dimension is symbolic. */
export interface OnnxValueInfo {
  readonly name: string;
  readonly dtype: OnnxElementType;
  /** Absent leaves even the rank open, as inner graphs of Scan and If may. */
  readonly shape?: readonly (number | string)[];
}

/** A constant by name and type alone. */
export interface OnnxWeight {
  readonly name: string;
  /** `OrtWeights.location`, or the name of a file beside the model. */
  readonly location: string;
  /** Where in the file the elements lie; the whole location when left out. */
  readonly region?: { readonly offset: number; readonly bytes: number };
  readonly dtype: OnnxElementType;
  readonly shape: readonly number[];
}

/** A graph: nodes in topological order; also the body of Scan, Loop and If. */
export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly initializers?: Readonly<Record<string, OnnxTensor>>;
  /** Constants whose elements are not in the model: the session is given them, see `OrtWeights`. */
  readonly weights?: readonly OnnxWeight[];
  /** Optional hints for values inside the graph. */
  readonly valueInfo?: readonly OnnxValueInfo[];
}

/** A whole model: one graph with the operator sets it is written in. */
export interface OnnxModel {
  readonly graph: OnnxGraph;
  /** Version by domain; `""` is the standard domain. Every domain a node names must be here. */
  readonly opsets: Readonly<Record<string, number>>;
  /** Format version; 10 by default, which every ONNX Runtime since 1.18 reads. */
  readonly irVersion?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}
