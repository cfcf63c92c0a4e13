import type { ConfigIssue } from "../base/errors.ts";
import { isJsonObject, type JsonObject } from "./json-text.ts";

/**
 * Class names from `id2label` and `label2id`, in the order of their numbers.
 *
 * @returns undefined when the file names no classes
 */
export function parseLabels(json: JsonObject, issues: ConfigIssue[]): readonly string[] | undefined {
  const { id2label, label2id } = json;
  const refuse = (path: string, message: string): undefined => {
    issues.push({ path, message, code: "CONFIG_LABELS" });
    return undefined;
  };
  if (id2label === undefined || id2label === null) {
    if (!isJsonObject(label2id)) return undefined;
    const labels = Object.entries(label2id).sort((a, b) => Number(a[1]) - Number(b[1]));
    if (labels.every(([, id], i) => id === i)) return Object.freeze(labels.map(([label]) => label));
    return refuse("label2id", "must number the labels 0, 1, 2 … without gaps.");
  }
  if (!isJsonObject(id2label)) return refuse("id2label", "must be an object of number → label.");
  const count = Object.keys(id2label).length;
  const labels: string[] = [];
  for (let id = 0; id < count; id++) {
    const label = id2label[String(id)];
    if (typeof label !== "string")
      return refuse("id2label", `must name the labels 0 … ${count - 1}; ${id} has no text.`);
    labels.push(label);
  }
  if (isJsonObject(label2id)) {
    const wrong = labels.find((label, id) => label2id[label] !== id);
    const differs =
      new Set(labels).size === labels.length && (wrong !== undefined || Object.keys(label2id).length !== count);
    if (differs)
      return refuse("label2id", `must be the reverse of id2label; differs at ${JSON.stringify(wrong ?? "its size")}.`);
  }
  return Object.freeze(labels);
}

/** `id2label` and `label2id` of class names. */
export function serializeLabels(labels: readonly string[]): JsonObject {
  return {
    id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
    label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
  };
}
