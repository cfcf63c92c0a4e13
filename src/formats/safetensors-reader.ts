import { type FileHandle, open } from "node:fs/promises";
import { CheckpointError } from "../base/errors.ts";
import { readFailure } from "./file-failure.ts";
import { readRange } from "./file-range.ts";
import { decodeUtf8 } from "./json-file.ts";
import {
  maxHeaderBytes,
  parseSafetensorsHeader,
  type SafetensorsHeader,
  type TensorInfo,
} from "./safetensors-header.ts";
import { elementCount, type HostTensor, storedDtypes } from "./stored-dtype.ts";
import { missingTensor, requireFloats, type TensorFile, widen } from "./tensor-file.ts";

export type { TensorFile };

/** A safetensors file; also says where each tensor lies in it. */
export interface SafetensorsFile extends TensorFile {
  info(name: string): TensorInfo;
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
  await readRange(handle, lengthBytes, 0, path);
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
  await readRange(handle, text, 8, path);
  if (text[0] !== 0x7b) return refuse("SAFETENSORS_HEADER", 'header does not begin with "{".');
  return { header: parseSafetensorsHeader(decodeUtf8(text, path), facts.size - dataStart, path), dataStart };
}

/**
 * Opens a safetensors file: reads and checks the header; tensors are read one by one when asked for.
 *
 * @throws {CheckpointError} MISSING_FILE, NOT_READABLE, SAFETENSORS_… naming the file and the tensor
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
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
    await readRange(handle, new Uint8Array(buffer), dataStart + begin, path);
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
      const { dtype, begin } = requireFloats(info(name), target.length, path);
      if (dtype === "F32") {
        const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
        await readRange(handle, bytes, dataStart + begin, path);
        return;
      }
      const { data } = widen(await readStored(name));
      if (data instanceof Float32Array) target.set(data);
    },
    close: () => handle.close(),
  };
}
