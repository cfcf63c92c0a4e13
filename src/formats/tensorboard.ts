import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { frameRecord } from "./crc32c.ts";
import { writeFailure } from "./file-failure.ts";

/** The messages of TensorBoard's event files that Firth writes. @source tensorflow/core/util/event.proto, summary.proto */
const schema = `syntax = "proto3";
message Event {
  double wall_time = 1;
  int64 step = 2;
  oneof what { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; }
}
message SessionLog { int32 status = 1; }
message Summary {
  message Value {
    string tag = 1;
    oneof value { float simple_value = 2; TensorProto tensor = 8; }
    SummaryMetadata metadata = 9;
  }
  repeated Value value = 1;
}
message SummaryMetadata {
  message PluginData { string plugin_name = 1; }
  PluginData plugin_data = 1;
}
message TensorShape {
  message Dim { int64 size = 1; }
  repeated Dim dim = 2;
}
message TensorProto { int32 dtype = 1; TensorShape tensor_shape = 2; repeated bytes string_val = 8; }
`;
const eventType = protobuf.parse(schema, { keepCase: true }).root.lookupType("Event");
const stringDtype = 7;
const sessionStart = 1;

/** Writes one event file of a run. */
export interface TensorboardWriter {
  readonly path: string;
  /** Adds numbers under their tags; NaN and infinities are allowed. */
  scalars(step: number, values: Readonly<Record<string, number>>): Promise<void>;
  /** Adds a text (Markdown). */
  text(step: number, tag: string, markdown: string): Promise<void>;
  /** Makes all events survive a power failure. */
  flush(): Promise<void>;
  close(): void;
}

/** How to open an event file. */
export interface TensorboardOptions {
  /** Last step that a resumed run keeps: TensorBoard then drops later points of older files in the same folder. */
  readonly resumeStep?: number;
  /** Time of the events, milliseconds since 1970; default: the clock. */
  readonly now?: () => number;
  /** Name of the machine in the file name. */
  readonly host?: string;
}

/** What is encoded, in the schema's own names. */
interface EventFields {
  readonly step?: number;
  readonly file_version?: string;
  readonly summary?: { readonly value: readonly object[] };
  readonly session_log?: { readonly status: number };
}

/**
 * Opens a new event file in a folder that TensorBoard can watch.
 *
 * @throws {CheckpointError} NOT_WRITABLE, DISK_FULL, WRITE_FAILED
 */
export async function openTensorboard(folder: string, options: TensorboardOptions = {}): Promise<TensorboardWriter> {
  const { resumeStep, now = Date.now, host = "firth" } = options;
  const stamp = now() / 1000;
  // TensorBoard reads the files of a folder in the order of their names: the time comes first, with fixed width.
  const fraction = String(Math.floor((stamp % 1) * 1000)).padStart(3, "0");
  const path = join(folder, `events.out.tfevents.${String(Math.floor(stamp)).padStart(10, "0")}.${host}.${fraction}`);
  const guard = async <T>(work: () => T): Promise<T> => {
    try {
      return work();
    } catch (cause) {
      throw await writeFailure(cause, path);
    }
  };
  const file = await guard(() => {
    mkdirSync(folder, { recursive: true });
    return openSync(path, "a");
  });
  const write = (fields: EventFields): Promise<void> =>
    guard(() => {
      const record = frameRecord(eventType.encode(eventType.create({ wall_time: now() / 1000, ...fields })).finish());
      for (let done = 0; done < record.length; ) done += writeSync(file, record, done);
    });
  await write({ file_version: "brain.Event:2" });
  if (resumeStep !== undefined) await write({ step: resumeStep + 1, session_log: { status: sessionStart } });
  return {
    path,
    scalars: (step, values) => {
      const value = Object.entries(values).map(([tag, number]) => ({ tag, simple_value: number }));
      return write({ step, summary: { value } });
    },
    text: (step, tag, markdown) => {
      const tensor = {
        dtype: stringDtype,
        tensor_shape: { dim: [{ size: 1 }] },
        string_val: [new TextEncoder().encode(markdown)],
      };
      const metadata = { plugin_data: { plugin_name: "text" } };
      return write({ step, summary: { value: [{ tag: `${tag}/text_summary`, metadata, tensor }] } });
    },
    flush: () => guard(() => fsyncSync(file)),
    close: () => closeSync(file),
  };
}
