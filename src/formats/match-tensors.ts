import { CheckpointError, nearestName } from "../base/errors.ts";
import type { TensorFile } from "./safetensors-reader.ts";
import { describeTensor } from "./stored-dtype.ts";

/** A tensor that a model needs. */
export interface ExpectedTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** How a file's tensors compare with those that a model needs; all empty: they are the same. */
export interface TensorMatch {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly misshaped: readonly {
    readonly name: string;
    readonly needed: readonly number[];
    readonly found: readonly number[];
  }[];
}

/** Compares names and shapes. */
export function matchTensors(file: TensorFile, expected: Iterable<ExpectedTensor>): TensorMatch {
  const missing: string[] = [];
  const misshaped: { name: string; needed: readonly number[]; found: readonly number[] }[] = [];
  const known = new Set<string>();
  for (const { name, shape } of expected) {
    known.add(name);
    if (!file.has(name)) {
      missing.push(name);
      continue;
    }
    const found = file.info(name).shape;
    if (found.length !== shape.length || found.some((size, i) => size !== shape[i]))
      misshaped.push({ name, needed: shape, found });
  }
  return { missing, unexpected: file.names.filter((name) => !known.has(name)), misshaped };
}

/** Differences that a caller has declared, e.g. a new head, or a pooler that is not used. */
export interface AllowedDifferences {
  readonly mayBeMissing?: (name: string) => boolean;
  readonly mayBeUnexpected?: (name: string) => boolean;
}

const shownLines = 20;

function list(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const shown = lines.slice(0, shownLines).map((line) => `  - ${line}`);
  const more = lines.length > shownLines ? [`  … and ${lines.length - shownLines} more`] : [];
  return [`${lines.length} ${title}:`, ...shown, ...more];
}

/**
 * Demands that a file holds exactly the tensors that a model needs, apart from declared differences.
 *
 * @returns the differences that were declared, so that the caller can say them
 * @throws {CheckpointError} TENSORS_DIFFER listing every missing, unexpected and mis-shaped tensor
 */
export function requireTensors(
  file: TensorFile,
  expected: Iterable<ExpectedTensor>,
  allowed: AllowedDifferences = {},
): TensorMatch {
  const { mayBeMissing = () => false, mayBeUnexpected = () => false } = allowed;
  const match = matchTensors(file, expected);
  const missing = match.missing.filter((name) => !mayBeMissing(name));
  const unexpected = match.unexpected.filter((name) => !mayBeUnexpected(name));
  const { misshaped } = match;
  if (missing.length + unexpected.length + misshaped.length === 0) return match;
  const withHint = (name: string): string => {
    const near = nearestName(name, unexpected);
    return near === undefined ? name : `${name} (the file has ${near})`;
  };
  const lines = [
    ...list("missing", missing.length > 200 ? missing : missing.map(withHint)),
    ...list("unexpected", unexpected),
    ...list(
      "of another shape",
      misshaped.map(
        ({ name, needed, found }) =>
          `${name}: needed ${describeTensor("", needed)}, found ${describeTensor("", found)}`,
      ),
    ),
  ];
  throw new CheckpointError(
    `the tensors are not those of this model.\n${lines.join("\n")}\nCheck that config.json and weights belong together, or declare the difference.`,
    { code: "TENSORS_DIFFER", path: file.path, details: { missing, unexpected, misshaped } },
  );
}
