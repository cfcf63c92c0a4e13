import { CheckpointError } from "../base/errors.ts";
import { findJsonProblem, isJsonObject, type JsonObject } from "./json-text.ts";
import { describeTensor, elementCount, isStoredDtype, type StoredDtype, storedDtypes } from "./stored-dtype.ts";
import type { TensorFacts } from "./tensor-file.ts";

/** The format's own limit on the header. */
export const maxHeaderBytes = 100_000_000;

/** What a file's header says about one tensor. */
export interface TensorInfo extends TensorFacts {
  /** First byte, counted from the end of the header. */
  readonly begin: number;
  readonly end: number;
}

/** A parsed and fully checked header. */
export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

function fail(file: string, code: string, message: string, tensor?: string): never {
  const subject = tensor === undefined ? message : `tensor "${tensor}" ${message}`;
  throw new CheckpointError(`${subject} The file is damaged or was cut off: fetch or write it again.`, {
    code,
    path: file,
    details: tensor === undefined ? {} : { tensor },
  });
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function checkTensor(file: string, name: string, entry: unknown): TensorInfo {
  if (!isJsonObject(entry)) return fail(file, "SAFETENSORS_HEADER", "must be described by an object.", name);
  const { dtype, shape, data_offsets: offsets } = entry as JsonObject;
  if (!isStoredDtype(dtype)) {
    throw new CheckpointError(
      `tensor "${name}" has dtype ${JSON.stringify(dtype)}, which is not one of ${Object.keys(storedDtypes).join(", ")}. Convert it first.`,
      { code: "SAFETENSORS_DTYPE", path: file, details: { tensor: name, dtype } },
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    return fail(file, "SAFETENSORS_SHAPE", `has shape ${JSON.stringify(shape)}; must be a list of integers ≥ 0.`, name);
  }
  const isRange = Array.isArray(offsets) && offsets.length === 2 && offsets.every(isCount);
  if (!isRange || offsets[0]! > offsets[1]!) {
    const found = JSON.stringify(offsets);
    return fail(file, "SAFETENSORS_RANGE", `has data_offsets ${found}; must be [begin, end] with begin ≤ end.`, name);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = elementCount(shape) * storedDtypes[dtype].size;
  if (end - begin !== bytes) {
    const what = describeTensor(dtype, shape);
    return fail(file, "SAFETENSORS_SIZE", `is ${what}, ${bytes} bytes, but its range holds ${end - begin}.`, name);
  }
  return { name, dtype, shape, begin, end };
}

/**
 * Parses a header and checks all of it against the size of the data that follows.
 *
 * @param text the header's JSON
 * @param dataBytes bytes of the file behind the header
 * @throws {CheckpointError} SAFETENSORS_HEADER, _DUPLICATE, _DTYPE, _SHAPE, _SIZE, _RANGE, _OVERLAP, _GAP, _TRUNCATED, _TRAILING
 * @source the format's specification, github.com/huggingface/safetensors
 */
export function parseSafetensorsHeader(text: string, dataBytes: number, file: string): SafetensorsHeader {
  const problem = findJsonProblem(text);
  if (problem !== undefined) {
    const code = problem.rule.endsWith("occurs twice") ? "SAFETENSORS_DUPLICATE" : "SAFETENSORS_HEADER";
    return fail(file, code, `header is not valid JSON at character ${problem.offset}: ${problem.rule}.`);
  }
  const parsed: unknown = JSON.parse(text);
  if (!isJsonObject(parsed)) return fail(file, "SAFETENSORS_HEADER", "header must be a JSON object.");
  const metadata: Record<string, string> = {};
  const tensors: TensorInfo[] = [];
  for (const [name, entry] of Object.entries(parsed)) {
    if (name !== "__metadata__") {
      tensors.push(checkTensor(file, name, entry));
      continue;
    }
    if (!isJsonObject(entry)) return fail(file, "SAFETENSORS_HEADER", "__metadata__ must be an object of texts.");
    for (const [key, value] of Object.entries(entry)) {
      if (typeof value !== "string") return fail(file, "SAFETENSORS_HEADER", `__metadata__.${key} must be a text.`);
      metadata[key] = value;
    }
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let reached = 0;
  let before = "the header";
  for (const { name, begin, end } of tensors) {
    if (begin < reached) {
      return fail(
        file,
        "SAFETENSORS_OVERLAP",
        `begins at byte ${begin}, inside ${before}, which ends at ${reached}.`,
        name,
      );
    }
    if (begin > reached) {
      return fail(file, "SAFETENSORS_GAP", `begins at byte ${begin}, but ${before} ends at ${reached}: a gap.`, name);
    }
    if (end > dataBytes) {
      return fail(
        file,
        "SAFETENSORS_TRUNCATED",
        `ends at byte ${end}, but only ${dataBytes} bytes of data are there.`,
        name,
      );
    }
    reached = end;
    before = `tensor "${name}"`;
  }
  if (reached !== dataBytes) {
    return fail(
      file,
      "SAFETENSORS_TRAILING",
      `${dataBytes - reached} bytes follow the last tensor, which no tensor names.`,
    );
  }
  return { tensors: new Map(tensors.map((info) => [info.name, info])), metadata };
}

/** Orders tensors as the reference implementation does: types of higher rank first, then by name. */
export function layoutTensors(
  tensors: readonly { readonly name: string; readonly dtype: StoredDtype; readonly shape: readonly number[] }[],
): TensorInfo[] {
  const encoder = new TextEncoder();
  const sorted = tensors
    .map(({ name, dtype, shape }) => ({ name, dtype, shape, key: encoder.encode(name) }))
    .sort((a, b) => storedDtypes[b.dtype].rank - storedDtypes[a.dtype].rank || Buffer.compare(a.key, b.key));
  let begin = 0;
  return sorted.map(({ name, dtype, shape }) => {
    const end = begin + elementCount(shape) * storedDtypes[dtype].size;
    const info = { name, dtype, shape, begin, end };
    begin = end;
    return info;
  });
}

/** The bytes before the data: header length, JSON, and spaces up to a multiple of 8. */
export function encodeSafetensorsHeader(
  tensors: readonly TensorInfo[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  // Built by hand: an object would put integer-like names first and lose a tensor called __proto__.
  const entries = tensors.map(({ name, dtype, shape, begin, end }) => {
    const entry = JSON.stringify({ dtype, shape, data_offsets: [begin, end] });
    return `${JSON.stringify(name)}:${entry}`;
  });
  if (Object.keys(metadata).length > 0) entries.unshift(`"__metadata__":${JSON.stringify(metadata)}`);
  const json = new TextEncoder().encode(`{${entries.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}
