/** @file `pytorch_model.bin` as a set of tensors, in both of the formats that torch.save has had. */
import { type FileHandle, open } from "node:fs/promises";
import { CheckpointError } from "../base/errors.ts";
import { readFailure } from "./file-failure.ts";
import { readRange } from "./file-range.ts";
import { readPickle } from "./pickle.ts";
import { pickleTruncated } from "./pickle-value.ts";
import type { HostTensor } from "./stored-dtype.ts";
import { readStrided } from "./strided-read.ts";
import { missingTensor, requireFloats, type TensorFile, widen } from "./tensor-file.ts";
import { stateDictOf, TorchPickleHost, type TorchStorage, type TorchTensor, torchAdvice } from "./torch-pickle.ts";
import { readZipDirectory, type ZipEntry, zipDataStart } from "./zip-directory.ts";

/** A file's tensors, and where the bytes of each storage begin. */
interface TorchContent {
  readonly tensors: ReadonlyMap<string, TorchTensor>;
  readonly storageStart: (storage: TorchStorage) => Promise<number>;
}

/** Largest pickle that is read; a tensor takes some 200 bytes of it. */
const maxPickleBytes = 1 << 28;

interface OpenedFile {
  readonly handle: FileHandle;
  readonly fileBytes: number;
  readonly path: string;
}

function fail(path: string, code: string, message: string): never {
  throw new CheckpointError(`${message} ${torchAdvice}.`, { code, path });
}

/** A zip with `NAME/data.pkl` and the storages as `NAME/data/KEY`: PyTorch 1.6 and later. */
async function readZipFormat({ handle, fileBytes, path }: OpenedFile): Promise<TorchContent> {
  const entries = await readZipDirectory(handle, fileBytes, path);
  const pickles = [...entries.values()].filter(({ name }) => /^([^/]+\/)?data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1) {
    fail(path, "TORCH_FORMAT", `is a zip with ${pickles.length} entries data.pkl; a file of torch.save has one.`);
  }
  const prefix = pickle.name.slice(0, -"data.pkl".length);
  const contentOf = async (entry: ZipEntry): Promise<Uint8Array> => {
    if (entry.size > maxPickleBytes) fail(path, "TORCH_FORMAT", `its ${entry.name} takes ${entry.size} bytes.`);
    const bytes = new Uint8Array(entry.size);
    await readRange(handle, bytes, await zipDataStart(handle, entry, fileBytes, path), path);
    return bytes;
  };
  const byteOrder = entries.get(`${prefix}byteorder`);
  if (byteOrder !== undefined && new TextDecoder().decode(await contentOf(byteOrder)) !== "little") {
    fail(path, "TORCH_FORMAT", "was written by a big-endian machine, which is not read.");
  }
  const host = new TorchPickleHost(path);
  const { value } = readPickle(await contentOf(pickle), 0, host);
  const tensors = stateDictOf(value, host);
  for (const { key, bytes } of host.storages.values()) {
    const entry = entries.get(`${prefix}data/${key}`);
    if (entry?.size === bytes) continue;
    const found = entry === undefined ? "is not there" : `holds ${entry.size}`;
    fail(path, "TORCH_STORAGE", `storage ${JSON.stringify(key)} takes ${bytes} bytes, but its entry ${found}.`);
  }
  return {
    tensors,
    storageStart: ({ key }) => zipDataStart(handle, entries.get(`${prefix}data/${key}`)!, fileBytes, path),
  };
}

/** The number that begins files of PyTorch before 1.6, and the version of that format. */
const legacyMagic = 0x1950a86a20f9469cfc6cn;
const legacyVersion = 1001;

/** Pickles one after the other (magic, version, machine, state dict, keys), then length and bytes of each storage. */
async function readLegacyFormat(file: OpenedFile, head: Uint8Array): Promise<TorchContent> {
  const { handle, fileBytes, path } = file;
  const host = new TorchPickleHost(path);
  let at = 0;
  const next = () => {
    const { value, end } = readPickle(head, at, host);
    at = end;
    return value;
  };
  const [magic, version, machine] = [next(), next(), next()];
  if (magic !== legacyMagic || version !== legacyVersion || !(machine instanceof Map)) {
    fail(path, "TORCH_FORMAT", "is neither a zip nor a file of torch.save.");
  }
  if (machine.get("little_endian") === false) {
    fail(path, "TORCH_FORMAT", "was written by a big-endian machine, which is not read.");
  }
  const tensors = stateDictOf(next(), host);
  const keys = next();
  if (!Array.isArray(keys) || keys.length !== host.storages.size || new Set(keys).size !== keys.length) {
    fail(path, "TORCH_STORAGE", `its pickle refers to ${host.storages.size} storages, and it holds others.`);
  }
  const starts = new Map<string, number>();
  for (const key of keys) {
    const storage = typeof key === "string" ? host.storages.get(key) : undefined;
    if (storage === undefined || at + 8 > fileBytes) {
      fail(path, "TORCH_STORAGE", `storage ${String(key).slice(0, 60)} is unknown, or cut off at byte ${at}.`);
    }
    const length = new Uint8Array(8);
    await readRange(handle, length, at, path);
    const elements = new DataView(length.buffer).getBigUint64(0, true);
    if (elements !== BigInt(storage.length) || at + 8 + storage.bytes > fileBytes) {
      const claim = `storage ${JSON.stringify(key)} of ${storage.length} elements`;
      fail(path, "TORCH_STORAGE", `${claim} has ${elements} at byte ${at} of ${fileBytes}.`);
    }
    starts.set(storage.key, at + 8);
    at += 8 + storage.bytes;
  }
  return { tensors, storageStart: async ({ key }) => starts.get(key)! };
}

/** Nothing says how long the pickles are: more of the file is read until they are whole. */
async function readLegacyHead(file: OpenedFile): Promise<TorchContent> {
  const { handle, fileBytes, path } = file;
  for (let size = Math.min(fileBytes, 1 << 20); ; size = Math.min(fileBytes, 4 * size)) {
    const head = new Uint8Array(size);
    await readRange(handle, head, 0, path);
    try {
      return await readLegacyFormat(file, head);
    } catch (error) {
      const isCutOff = error instanceof CheckpointError && error.code === pickleTruncated;
      if (!isCutOff || size === fileBytes || size >= maxPickleBytes) throw error;
    }
  }
}

async function readContent(file: OpenedFile): Promise<TorchContent> {
  const { handle, fileBytes, path } = file;
  const start = new Uint8Array(Math.min(4, fileBytes));
  await readRange(handle, start, 0, path);
  const [a, b, c, d] = start;
  if (a === 0x50 && b === 0x4b && c === 0x03 && d === 0x04) return readZipFormat(file);
  if (a === 0x80) return readLegacyHead(file);
  return fail(path, "TORCH_FORMAT", "is neither a zip nor a pickle: no file of torch.save.");
}

/** Tensors that are the same view of the same storage as an earlier one. */
function tiesOf(tensors: ReadonlyMap<string, TorchTensor>): Map<string, string> {
  const first = new Map<string, string>();
  const tied = new Map<string, string>();
  for (const [name, { storage, dtype, offset, shape, strides }] of tensors) {
    // Empty tensors have no memory to share.
    if (shape.includes(0)) continue;
    const view = JSON.stringify([storage.key, dtype, offset, shape, strides]);
    const earlier = first.get(view);
    if (earlier === undefined) first.set(view, name);
    else tied.set(name, earlier);
  }
  return tied;
}

/**
 * Opens a state dict that PyTorch saved (`pytorch_model.bin`), as data: nothing in its pickle is executed, and names that are
 * no part of tensors are refused. Tensors are read one by one when asked for, whatever their strides.
 *
 * @throws {CheckpointError} MISSING_FILE, NOT_READABLE; PICKLE_GLOBAL for a name that might run something;
 * PICKLE_NOT_TENSORS, PICKLE_…, TORCH_…, ZIP_… for anything else that is not a whole state dict
 * @source PyTorch's `torch/serialization.py`, `_load` and `_legacy_load`
 */
export async function openTorchFile(path: string): Promise<TensorFile> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    throw readFailure(cause, path);
  });
  let content: TorchContent;
  try {
    const facts = await handle.stat();
    if (!facts.isFile()) throw Object.assign(new Error("a folder"), { code: "EISDIR" });
    content = await readContent({ handle, fileBytes: facts.size, path });
  } catch (cause) {
    await handle.close();
    throw readFailure(cause, path);
  }
  const { tensors, storageStart } = content;
  const names = [...tensors.keys()];
  const viewOf = (name: string): TorchTensor => {
    const found = tensors.get(name);
    if (found === undefined) throw missingTensor(name, names, path);
    return found;
  };
  const info = (name: string) => {
    const { dtype, shape } = viewOf(name);
    return { name, dtype, shape };
  };
  const readStored = async (name: string): Promise<HostTensor> => {
    const view = viewOf(name);
    const start = await storageStart(view.storage);
    const data = await readStrided(view, (bytes, position) => readRange(handle, bytes, start + position, path));
    return { dtype: view.dtype, shape: view.shape, data } as HostTensor;
  };
  return {
    path,
    names,
    metadata: {},
    tied: tiesOf(tensors),
    has: (name) => tensors.has(name),
    info,
    readStored,
    read: async (name) => widen(await readStored(name)),
    async readInto(name, target) {
      requireFloats(info(name), target.length, path);
      const { data } = widen(await readStored(name));
      if (data instanceof Float32Array) target.set(data);
    },
    close: () => handle.close(),
  };
}
