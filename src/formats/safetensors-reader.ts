import { type FileHandle, open } from "node:fs/promises";
import { CheckpointError, nearestName } from "../base/errors.ts";
import { float32FromBfloat16, float32FromHalf } from "../base/half-float.ts";
import { readFailure } from "./file-failure.ts";
import { decodeUtf8 } from "./json-file.ts";
import {
  maxHeaderBytes,
  parseSafetensorsHeader,
  type SafetensorsHeader,
  type TensorInfo,
} from "./safetensors-header.ts";
import { describeTensor, elementCount, type HostTensor, type StoredDtype, storedDtypes } from "./stored-dtype.ts";

/** Element types after F64, F16 and BF16 were turned into F32. */
export type ReadDtype = Exclude<StoredDtype, "F64" | "F16" | "BF16">;

/** A readable set of named tensors: one file or all shards of a model directory. */
export interface TensorFile {
  /** Where it lies, for messages. */
  readonly path: string;
  /** Tensor names, in file order. */
  readonly names: readonly string[];
  /** The texts that the file carries about itself. */
  readonly metadata: Readonly<Record<string, string>>;
  has(name: string): boolean;
  /** Stored dtype and shape. @throws {CheckpointError} MISSING_TENSOR */
  info(name: string): TensorInfo;
  /** One tensor; F64, F16 and BF16 arrive as F32. @throws {CheckpointError} MISSING_TENSOR, READ_FAILED */
  read(name: string): Promise<HostTensor<ReadDtype>>;
  /** One tensor with exactly the bits of the file. @throws {CheckpointError} MISSING_TENSOR, READ_FAILED */
  readStored(name: string): Promise<HostTensor>;
  /** Fills `target` with a floating-point tensor. @throws {CheckpointError} MISSING_TENSOR, TENSOR_MISMATCH, READ_FAILED */
  readInto(name: string, target: Float32Array): Promise<void>;
  close(): Promise<void>;
}

const readPieceBytes = 1 << 28;

async function readFully(handle: FileHandle, bytes: Uint8Array, position: number, path: string): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const length = Math.min(readPieceBytes, bytes.length - done);
    const { bytesRead } = await handle.read(bytes, done, length, position + done).catch((cause: unknown) => {
      throw readFailure(cause, path);
    });
    if (bytesRead === 0) {
      throw new CheckpointError("became shorter while it was read. Another program is writing it: try again.", {
        code: "SAFETENSORS_TRUNCATED",
        path,
      });
    }
    done += bytesRead;
  }
}

async function readHeader(handle: FileHandle, path: string): Promise<{ header: SafetensorsHeader; dataStart: number }> {
  const facts = await handle.stat();
  if (!facts.isFile()) throw readFailure(Object.assign(new Error("a folder"), { code: "EISDIR" }), path);
  const refuse = (code: string, message: string): never => {
    throw new CheckpointError(`${message} This is not a whole safetensors file: fetch or write it again.`, {
      code,
      path,
    });
  };
  if (facts.size < 8)
    return refuse("SAFETENSORS_TRUNCATED", `holds ${facts.size} bytes; the header length alone takes 8.`);
  const lengthBytes = new Uint8Array(8);
  await readFully(handle, lengthBytes, 0, path);
  const length = new DataView(lengthBytes.buffer).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    return refuse(
      "SAFETENSORS_HEADER_SIZE",
      `claims a header of ${length} bytes; the format allows ${maxHeaderBytes}.`,
    );
  }
  const dataStart = 8 + Number(length);
  if (dataStart > facts.size) {
    return refuse("SAFETENSORS_TRUNCATED", `claims a header of ${length} bytes, but only ${facts.size - 8} follow.`);
  }
  const text = new Uint8Array(Number(length));
  await readFully(handle, text, 8, path);
  if (text[0] !== 0x7b) return refuse("SAFETENSORS_HEADER", 'header does not begin with "{".');
  return { header: parseSafetensorsHeader(decodeUtf8(text, path), facts.size - dataStart, path), dataStart };
}

/** The error for a name that is not there. */
export function missingTensor(name: string, names: readonly string[], path: string): CheckpointError {
  const near = nearestName(name, names);
  const hint = near === undefined ? `It holds ${names.length} tensors.` : `Did you mean "${near}"?`;
  return new CheckpointError(`has no tensor "${name}". ${hint}`, {
    code: "MISSING_TENSOR",
    path,
    details: { tensor: name },
  });
}

/** F64, F16 and BF16 become F32; everything else is passed on. */
function widen(tensor: HostTensor): HostTensor<ReadDtype> {
  const { shape } = tensor;
  switch (tensor.dtype) {
    case "F64":
      return { dtype: "F32", shape, data: Float32Array.from(tensor.data) };
    case "F16":
      return { dtype: "F32", shape, data: float32FromHalf(tensor.data) };
    case "BF16":
      return { dtype: "F32", shape, data: float32FromBfloat16(tensor.data) };
    default:
      return tensor;
  }
}

/**
 * Opens a safetensors file: reads and checks the header; tensors are read one by one when asked for.
 *
 * @throws {CheckpointError} MISSING_FILE, NOT_READABLE, SAFETENSORS_… naming the file and the tensor
 */
export async function openSafetensors(path: string): Promise<TensorFile> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    throw readFailure(cause, path);
  });
  let opened: Awaited<ReturnType<typeof readHeader>>;
  try {
    opened = await readHeader(handle, path);
  } catch (cause) {
    await handle.close();
    throw readFailure(cause, path);
  }
  const { header, dataStart } = opened;
  const names = [...header.tensors.keys()];
  const info = (name: string): TensorInfo => {
    const found = header.tensors.get(name);
    if (found === undefined) throw missingTensor(name, names, path);
    return found;
  };
  const readStored = async (name: string): Promise<HostTensor> => {
    const { dtype, shape, begin, end } = info(name);
    const buffer = new ArrayBuffer(end - begin);
    await readFully(handle, new Uint8Array(buffer), dataStart + begin, path);
    return { dtype, shape, data: storedDtypes[dtype].view(buffer, elementCount(shape)) } as HostTensor;
  };
  return {
    path,
    names,
    metadata: header.metadata,
    has: (name) => header.tensors.has(name),
    info,
    readStored,
    read: async (name) => widen(await readStored(name)),
    async readInto(name, target) {
      const { dtype, shape, begin } = info(name);
      const isFloat = dtype === "F32" || dtype === "F64" || dtype === "F16" || dtype === "BF16";
      if (!isFloat || elementCount(shape) !== target.length) {
        throw new CheckpointError(
          `tensor "${name}" is ${describeTensor(dtype, shape)}; ${target.length} floating-point elements are needed. Check that model and weights belong together.`,
          { code: "TENSOR_MISMATCH", path, details: { tensor: name, dtype, shape, needed: target.length } },
        );
      }
      if (dtype === "F32") {
        const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
        await readFully(handle, bytes, dataStart + begin, path);
        return;
      }
      const { data } = widen(await readStored(name));
      if (data instanceof Float32Array) target.set(data);
    },
    close: () => handle.close(),
  };
}
