/** @file What the names in PyTorch's pickles mean: tensors as views of storages, and nothing else. */
import { CheckpointError } from "../base/errors.ts";
import { describePickled, type PickleHost, PickleObject, type PickleValue } from "./pickle-value.ts";
import { elementCount, type StoredDtype, storedDtypes } from "./stored-dtype.ts";

/** A piece of memory that tensors are views of. */
export class TorchStorage extends PickleObject {
  readonly key: string;
  /** Undefined for bytes whose type the tensor says. */
  readonly dtype: StoredDtype | undefined;
  /** Elements, or bytes where there is no type. */
  readonly length: number;

  constructor(key: string, dtype: StoredDtype | undefined, length: number) {
    super();
    this.key = key;
    this.dtype = dtype;
    this.length = length;
  }

  get bytes(): number {
    return this.length * (this.dtype === undefined ? 1 : storedDtypes[this.dtype].size);
  }

  get description(): string {
    return `the storage ${JSON.stringify(this.key)}`;
  }
}

/** A tensor as a view of a storage; offset and strides count elements. */
export class TorchTensor extends PickleObject {
  readonly storage: TorchStorage;
  readonly dtype: StoredDtype;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(view: Pick<TorchTensor, "storage" | "dtype" | "offset" | "shape" | "strides">) {
    super();
    this.storage = view.storage;
    this.dtype = view.dtype;
    this.offset = view.offset;
    this.shape = view.shape;
    this.strides = view.strides;
  }

  get description(): string {
    return `a tensor of shape [${this.shape.join(",")}]`;
  }
}

class TorchName extends PickleObject {
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }

  get description(): string {
    return this.name;
  }
}

/** Element types by the storages and the dtypes that are named after them. */
const storageTypes: Readonly<Record<string, StoredDtype>> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};
const elementTypes: Readonly<Record<string, StoredDtype>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint64: "U64",
  uint32: "U32",
  uint16: "U16",
  uint8: "U8",
  bool: "BOOL",
};

const untyped = "torch.storage.UntypedStorage";
const knownNames = new Set([
  "collections.OrderedDict",
  "torch.Size",
  "torch._utils._rebuild_tensor",
  "torch._utils._rebuild_tensor_v2",
  "torch._utils._rebuild_tensor_v3",
  "torch._utils._rebuild_parameter",
  untyped,
  ...Object.keys(storageTypes).map((name) => `torch.${name}`),
  ...Object.keys(elementTypes).map((name) => `torch.${name}`),
]);

/** More dimensions than any tensor has, and the most elements of one that repeats those of a smaller storage. */
const maxRank = 64;
const maxRepeated = 2 ** 28;

/** What else to do with a file that is refused. */
export const torchAdvice =
  "Convert it to safetensors where it was made, and only if you trust it: safetensors.torch.save_file(model.state_dict(), …)";

function typeOf(name: PickleValue | undefined, table: Readonly<Record<string, StoredDtype>>): StoredDtype | undefined {
  const short = name instanceof TorchName ? name.name.slice("torch.".length) : "";
  return Object.hasOwn(table, short) ? table[short] : undefined;
}

const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** Understands the pickles of state dicts. */
export class TorchPickleHost implements PickleHost {
  /** Storages that the pickle refers to, by key. */
  readonly storages = new Map<string, TorchStorage>();
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  fail(code: string, message: string): never {
    throw new CheckpointError(`${message} ${torchAdvice}.`, { code, path: this.path });
  }

  global(module: string, name: string): PickleObject {
    const whole = `${module}.${name}`;
    if (knownNames.has(whole)) return new TorchName(whole);
    return this.fail(
      "PICKLE_GLOBAL",
      `its pickle names ${JSON.stringify(whole.slice(0, 200))}, which is no part of a tensor file. Nothing of it was run.`,
    );
  }

  call(callable: PickleObject, args: readonly PickleValue[]): PickleValue {
    const name = callable instanceof TorchName ? callable.name : "";
    switch (name) {
      case "collections.OrderedDict":
        return this.dict(args);
      case "torch.Size":
        return Array.isArray(args[0]) ? args[0] : this.refuseCall(callable, args);
      case "torch._utils._rebuild_tensor":
      case "torch._utils._rebuild_tensor_v2":
        return this.tensor(args);
      case "torch._utils._rebuild_tensor_v3":
        return this.tensor(args, typeOf(args[6], elementTypes) ?? this.refuseCall(callable, args));
      case "torch._utils._rebuild_parameter":
        return args[0] instanceof TorchTensor ? args[0] : this.refuseCall(callable, args);
      default:
        return this.refuseCall(callable, args);
    }
  }

  private refuseCall(callable: PickleObject, args: readonly PickleValue[]): never {
    const given = args.slice(0, 4).map(describePickled).join(", ");
    return this.fail("PICKLE_INVALID", `its pickle calls ${callable.description} with ${given || "nothing"}.`);
  }

  /** Empty, or of pairs as Python 2 wrote it. */
  private dict(args: readonly PickleValue[]): PickleValue {
    const [pairs] = args;
    if (pairs === undefined) return new Map();
    const isPair = (item: PickleValue): item is PickleValue[] => Array.isArray(item) && item.length === 2;
    if (!Array.isArray(pairs) || !pairs.every(isPair))
      return this.fail("PICKLE_INVALID", "its pickle has a strange dict.");
    const dict = new Map(pairs.map(([key, value]) => [key!, value!]));
    // Emptied, so that a list which is used again and again costs no more than its bytes.
    pairs.length = 0;
    return dict;
  }

  persistent(id: PickleValue): TorchStorage {
    if (!Array.isArray(id) || id[0] !== "storage") {
      return this.fail("PICKLE_INVALID", `its pickle refers to ${describePickled(Array.isArray(id) ? id[0] : id)}.`);
    }
    const [, type, key, , length, view] = id;
    const dtype = typeOf(type, storageTypes);
    const isUntyped = type instanceof TorchName && type.name === untyped;
    if ((dtype === undefined && !isUntyped) || typeof key !== "string" || !isCount(length)) {
      return this.fail(
        "PICKLE_INVALID",
        `its pickle refers to a storage of ${describePickled(type)}, ${describePickled(length)} long.`,
      );
    }
    if (view !== undefined && view !== null) {
      return this.fail(
        "PICKLE_INVALID",
        `storage ${JSON.stringify(key)} is a view of another one, as PyTorch before 0.4 wrote.`,
      );
    }
    const known = this.storages.get(key);
    if (known === undefined) {
      const storage = new TorchStorage(key, dtype, length);
      this.storages.set(key, storage);
      return storage;
    }
    if (known.dtype === dtype && known.length === length) return known;
    return this.fail("PICKLE_INVALID", `storage ${JSON.stringify(key)} is described in two ways.`);
  }

  private tensor(args: readonly PickleValue[], type?: StoredDtype): TorchTensor {
    const [storage, offset, shape, strides] = args;
    if (!(storage instanceof TorchStorage)) {
      return this.fail("PICKLE_INVALID", `its pickle makes a tensor of ${describePickled(storage)}.`);
    }
    const dtype = type ?? storage.dtype;
    const areLists = Array.isArray(shape) && Array.isArray(strides) && shape.length === strides.length;
    if (dtype === undefined || !isCount(offset) || !areLists || shape.length > maxRank) {
      return this.fail("PICKLE_INVALID", `a tensor of storage ${JSON.stringify(storage.key)} has no proper shape.`);
    }
    if (!shape.every(isCount) || !strides.every(isCount)) {
      return this.fail(
        "PICKLE_INVALID",
        `a tensor of storage ${JSON.stringify(storage.key)} has sizes that are no counts.`,
      );
    }
    if (!Number.isSafeInteger(elementCount(shape.filter((size) => size > 0)))) {
      return this.fail("PICKLE_SIZE", `a tensor of storage ${JSON.stringify(storage.key)} has too many elements.`);
    }
    const count = elementCount(shape);
    const last = shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, offset);
    const held = Math.floor(storage.bytes / storedDtypes[dtype].size);
    const what = `a tensor of shape [${shape.join(",")}] and strides [${strides.join(",")}] at ${offset}`;
    if (count > 0 && last >= held) {
      return this.fail(
        "PICKLE_SIZE",
        `${what} does not fit its storage ${JSON.stringify(storage.key)} of ${held} elements.`,
      );
    }
    if (count > Math.max(held, maxRepeated)) {
      return this.fail("PICKLE_SIZE", `${what} repeats a storage of ${held} elements too often.`);
    }
    // Copies: lists of a pickle can still change.
    return new TorchTensor({ storage, dtype, offset, shape: [...shape], strides: [...strides] });
  }
}

/**
 * The tensors of a state dict, by name.
 * @throws {CheckpointError} PICKLE_NOT_TENSORS naming what else is there
 */
export function stateDictOf(value: PickleValue, host: TorchPickleHost): Map<string, TorchTensor> {
  if (!(value instanceof Map))
    return host.fail("PICKLE_NOT_TENSORS", `must hold a dict of tensors; found ${describePickled(value)}.`);
  const tensors = new Map<string, TorchTensor>();
  for (const [name, item] of value) {
    if (typeof name !== "string") {
      return host.fail("PICKLE_NOT_TENSORS", `must name its tensors by texts; found ${describePickled(name)}.`);
    }
    if (!(item instanceof TorchTensor)) {
      return host.fail(
        "PICKLE_NOT_TENSORS",
        `entry ${JSON.stringify(name.slice(0, 200))} is ${describePickled(item)}, not a tensor; a model's state dict alone is read.`,
      );
    }
    tensors.set(name, item);
  }
  return tensors;
}
