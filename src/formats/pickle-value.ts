/** @file What pickles hold, and who says what the names in them mean. */

/** Something that only the host understands: a name, or what a call of it gives. */
export abstract class PickleObject {
  /** For messages. */
  abstract readonly description: string;
}

/** Lists and tuples are arrays. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleObject;

/** What a pickle's names, calls and outside references mean. */
export interface PickleHost {
  /** Refuses with an error of its own. */
  fail(code: string, message: string): never;
  /** @throws for a name it does not know */
  global(module: string, name: string): PickleObject;
  call(callable: PickleObject, args: readonly PickleValue[]): PickleValue;
  persistent(id: PickleValue): PickleValue;
}

/** The code of the error for a pickle that ends before its end. */
export const pickleTruncated = "PICKLE_TRUNCATED";

/** What a value is, for messages. */
export function describePickled(value: PickleValue | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "None";
  if (value instanceof PickleObject) return value.description;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Map) return `a dict of ${value.size}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return typeof value === "string" ? `the text ${JSON.stringify(value.slice(0, 60))}` : `the ${typeof value} ${value}`;
}
