/** Files: weights, checkpoints, configurations. */
export * from "./atomic.ts";
export type { ByteSink, FileDigest } from "./byte-sink.ts";
export * from "./checkpoint.ts";
export * from "./config-fields.ts";
export * from "./config-table.ts";
export { formatJson, parseJson, readJsonFile, readJsonObject } from "./json-file.ts";
export { isJsonObject, type JsonObject, type JsonValue } from "./json-text.ts";
export * from "./metrics-log.ts";
export * from "./safetensors.ts";
export * from "./tensorboard.ts";
