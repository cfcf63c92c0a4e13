/**
 * @file The PJRT C interface as tables: the order of its functions, and what each takes and gives.
 * @source xla/pjrt/c/pjrt_c_api.h, versions 0.57 to 0.105
 */
import { type Fields, type FieldValues, structLayout } from "./struct.ts";

/** `PJRT_Api` begins with its size, extensions, and the version (a struct of size, extensions and two ints). */
export const API_HEADER = structLayout({
  versionSize: "size",
  versionExtensions: "pointer",
  major: "i32",
  minor: "i32",
});

/** The only major so far. */
export const API_MAJOR = 0;
/** Functions were put into another order before 0.57. */
export const OLDEST_MINOR = 57;

/** Functions in the order of the table, which grows at its end only; up to the last that Firth calls. */
const order = `
  Error_Destroy Error_Message Error_GetCode
  Plugin_Initialize Plugin_Attributes
  Event_Destroy Event_IsReady Event_Error Event_Await Event_OnReady
  Client_Create Client_Destroy Client_PlatformName Client_ProcessIndex Client_PlatformVersion Client_Devices
  Client_AddressableDevices Client_LookupDevice Client_LookupAddressableDevice Client_AddressableMemories Client_Compile
  Client_DefaultDeviceAssignment Client_BufferFromHostBuffer
  DeviceDescription_Id DeviceDescription_ProcessIndex DeviceDescription_Attributes DeviceDescription_Kind
  DeviceDescription_DebugString DeviceDescription_ToString
  Device_GetDescription Device_IsAddressable Device_LocalHardwareId Device_AddressableMemories Device_DefaultMemory
  Device_MemoryStats
  Memory_Id Memory_Kind Memory_DebugString Memory_ToString Memory_AddressableByDevices
  Executable_Destroy Executable_Name Executable_NumReplicas Executable_NumPartitions Executable_NumOutputs
  Executable_SizeOfGeneratedCodeInBytes Executable_GetCostAnalysis Executable_OutputMemoryKinds
  Executable_OptimizedProgram Executable_Serialize
  LoadedExecutable_Destroy LoadedExecutable_GetExecutable LoadedExecutable_AddressableDevices LoadedExecutable_Delete
  LoadedExecutable_IsDeleted LoadedExecutable_Execute Executable_DeserializeAndLoad LoadedExecutable_Fingerprint
  Buffer_Destroy Buffer_ElementType Buffer_Dimensions Buffer_UnpaddedDimensions Buffer_DynamicDimensionIndices
  Buffer_GetMemoryLayout Buffer_OnDeviceSizeInBytes Buffer_Device Buffer_Memory Buffer_Delete Buffer_IsDeleted
  Buffer_CopyToDevice Buffer_ToHostBuffer Buffer_IsOnCpu Buffer_ReadyEvent Buffer_UnsafePointer
  Buffer_IncreaseExternalReferenceCount Buffer_DecreaseExternalReferenceCount Buffer_OpaqueDeviceMemoryDataPointer
  CopyToDeviceStream_Destroy CopyToDeviceStream_AddChunk CopyToDeviceStream_TotalBytes CopyToDeviceStream_GranuleSize
  CopyToDeviceStream_CurrentBytes
  TopologyDescription_Create TopologyDescription_Destroy TopologyDescription_PlatformName
  TopologyDescription_PlatformVersion TopologyDescription_GetDeviceDescriptions TopologyDescription_Serialize
  TopologyDescription_Attributes
  Compile Executable_OutputElementTypes Executable_OutputDimensions Buffer_CopyToMemory
  Client_CreateViewOfDeviceBuffer Executable_Fingerprint Client_TopologyDescription Executable_GetCompiledMemoryStats`;

/** Names without their `PJRT_`. */
export const functionOrder: readonly string[] = order.trim().split(/\s+/);

const client = { client: "pointer" } as const;
const event = { event: "pointer" } as const;
const buffer = { buffer: "pointer" } as const;
const device = { device: "pointer" } as const;
const executable = { executable: "pointer" } as const;
const description = { description: "pointer" } as const;

/** The argument structs of the functions that Firth calls. Results are fields of them, too. */
const argumentFields = {
  Error_Destroy: { error: "pointer" },
  Error_Message: { error: "pointer", message: "pointer", messageSize: "size" },
  Error_GetCode: { error: "pointer", code: "i32" },
  Plugin_Initialize: {},
  Plugin_Attributes: { attributes: "pointer", numAttributes: "size" },
  Event_Destroy: event,
  Event_IsReady: { ...event, isReady: "bool" },
  Event_Error: event,
  Event_Await: event,
  Client_Create: {
    createOptions: "pointer",
    numOptions: "size",
    keyValueGet: "pointer",
    keyValueGetArgument: "pointer",
    keyValuePut: "pointer",
    keyValuePutArgument: "pointer",
    client: "pointer",
    keyValueTryGet: "pointer",
    keyValueTryGetArgument: "pointer",
  },
  Client_Destroy: client,
  Client_PlatformName: { ...client, name: "pointer", nameSize: "size" },
  Client_PlatformVersion: { ...client, version: "pointer", versionSize: "size" },
  Client_ProcessIndex: { ...client, processIndex: "i32" },
  Client_AddressableDevices: { ...client, devices: "pointer", numDevices: "size" },
  Client_Compile: { ...client, program: "pointer", options: "pointer", optionsSize: "size", ...executable },
  Client_BufferFromHostBuffer: {
    ...client,
    data: "pointer",
    type: "i32",
    dims: "pointer",
    numDims: "size",
    byteStrides: "pointer",
    numByteStrides: "size",
    hostBufferSemantics: "i32",
    ...device,
    memory: "pointer",
    deviceLayout: "pointer",
    doneWithHostBuffer: "pointer",
    ...buffer,
  },
  DeviceDescription_Id: { ...description, id: "i32" },
  DeviceDescription_Attributes: { ...description, numAttributes: "size", attributes: "pointer" },
  DeviceDescription_Kind: { ...description, kind: "pointer", kindSize: "size" },
  Device_GetDescription: { ...device, ...description },
  Device_MemoryStats: {
    ...device,
    bytesInUse: "i64",
    peakBytesInUse: "i64",
    hasPeakBytesInUse: "bool",
    numAllocs: "i64",
    hasNumAllocs: "bool",
    largestAllocSize: "i64",
    hasLargestAllocSize: "bool",
    bytesLimit: "i64",
    hasBytesLimit: "bool",
    bytesReserved: "i64",
    hasBytesReserved: "bool",
    peakBytesReserved: "i64",
    hasPeakBytesReserved: "bool",
    bytesReservableLimit: "i64",
    hasBytesReservableLimit: "bool",
    largestFreeBlockBytes: "i64",
    hasLargestFreeBlockBytes: "bool",
    poolBytes: "i64",
    hasPoolBytes: "bool",
    peakPoolBytes: "i64",
    hasPeakPoolBytes: "bool",
  },
  Executable_Destroy: executable,
  Executable_NumOutputs: { ...executable, numOutputs: "size" },
  Executable_GetCostAnalysis: { ...executable, numProperties: "size", properties: "pointer" },
  Executable_Serialize: {
    ...executable,
    bytes: "pointer",
    bytesSize: "size",
    owner: "pointer",
    ownerDeleter: "pointer",
  },
  LoadedExecutable_Destroy: executable,
  LoadedExecutable_GetExecutable: { loadedExecutable: "pointer", ...executable },
  LoadedExecutable_Execute: {
    ...executable,
    options: "pointer",
    argumentLists: "pointer",
    numDevices: "size",
    numArgs: "size",
    outputLists: "pointer",
    deviceCompleteEvents: "pointer",
    executeDevice: "pointer",
  },
  Executable_DeserializeAndLoad: {
    ...client,
    bytes: "pointer",
    bytesSize: "size",
    loadedExecutable: "pointer",
    options: "pointer",
    optionsSize: "size",
  },
  Buffer_Destroy: buffer,
  Buffer_IsDeleted: { ...buffer, isDeleted: "bool" },
  Buffer_CopyToDevice: { ...buffer, targetDevice: "pointer", target: "pointer" },
  Buffer_ToHostBuffer: { source: "pointer", hostLayout: "pointer", data: "pointer", dataSize: "size", ...event },
  Buffer_ReadyEvent: { ...buffer, ...event },
  Executable_GetCompiledMemoryStats: {
    ...executable,
    codeBytes: "i64",
    argumentBytes: "i64",
    outputBytes: "i64",
    aliasBytes: "i64",
    temporaryBytes: "i64",
    hostCodeBytes: "i64",
    hostArgumentBytes: "i64",
    hostOutputBytes: "i64",
    hostAliasBytes: "i64",
    hostTemporaryBytes: "i64",
    peakBytes: "i64",
    totalBytes: "i64",
  },
} as const satisfies Readonly<Record<string, Fields>>;

type ArgumentFields = typeof argumentFields;

/** A function that Firth calls. */
export type FunctionName = keyof ArgumentFields;
export const functionNames = Object.keys(argumentFields) as readonly FunctionName[];

/** What a function takes and gives. */
export type FunctionValues<N extends FunctionName> = FieldValues<ArgumentFields[N]>;

/** Where the fields of a function's argument lie. */
export const argumentLayouts = Object.fromEntries(
  Object.entries(argumentFields).map(([name, fields]) => [name, structLayout(fields)]),
) as { readonly [N in FunctionName]: ReturnType<typeof structLayout<ArgumentFields[N]>> };

/** Functions that give nothing back, not even an error. */
export const silentFunctions: ReadonlySet<FunctionName> = new Set(["Error_Destroy", "Error_Message"]);

/** Structs that arguments point to. */
export const namedValueLayout = structLayout({
  name: "pointer",
  nameSize: "size",
  type: "i32",
  /** A union: a pointer, an int64, a float or a bool. */
  value: "i64",
  valueSize: "size",
});

export const programLayout = structLayout({
  code: "pointer",
  codeSize: "size",
  format: "pointer",
  formatSize: "size",
});

export const executeOptionsLayout = structLayout({
  sendCallbacks: "pointer",
  receiveCallbacks: "pointer",
  numSends: "size",
  numReceives: "size",
  launchId: "i32",
  nonDonatable: "pointer",
  numNonDonatable: "size",
  context: "pointer",
  callLocation: "pointer",
  numTasks: "size",
  taskIds: "pointer",
  incarnationIds: "pointer",
});

/** A layout of a buffer as the order of its dimensions; the union's other, shorter kind is left out. */
export const memoryLayoutLayout = structLayout({
  tiledSize: "size",
  tiledExtensions: "pointer",
  minorToMajor: "pointer",
  minorToMajorSize: "size",
  tileDims: "pointer",
  tileDimSizes: "pointer",
  numTiles: "size",
  type: "i32",
});
/** `sizeof(PJRT_Buffer_MemoryLayout_Tiled)`. */
export const TILED_BYTES = 56;

/** What key–value callbacks are called with. */
export const keyValueGetLayout = structLayout({
  key: "pointer",
  keySize: "size",
  timeoutMs: "i32",
  callbackError: "pointer",
  userArgument: "pointer",
  value: "pointer",
  valueSize: "size",
  valueDeleter: "pointer",
});
export const keyValueTryGetLayout = structLayout({
  key: "pointer",
  keySize: "size",
  callbackError: "pointer",
  userArgument: "pointer",
  value: "pointer",
  valueSize: "size",
  valueDeleter: "pointer",
});
export const keyValuePutLayout = structLayout({
  key: "pointer",
  keySize: "size",
  value: "pointer",
  valueSize: "size",
  callbackError: "pointer",
  userArgument: "pointer",
});

/** Status codes, by number. */
export const statusNames = [
  ...["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"],
  ...["PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"],
  ...["INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"],
] as const;
