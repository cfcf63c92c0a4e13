/** A value that JSON can hold. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Where JSON text breaks the rules. */
export interface JsonProblem {
  /** Index of the offending character, UTF-16 units. */
  readonly offset: number;
  /** 1-based. */
  readonly line: number;
  /** 1-based, UTF-16 units. */
  readonly column: number;
  readonly rule: string;
}

/** Whether a parsed JSON value is an object, neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const token =
  /[ \t\n\r]*(?:([{}[\]:,])|("(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;

type Expected = "value" | "value or ]" | "key" | "key or }" | ":" | ", or }" | ", or ]" | "end";

interface Open {
  readonly close: "}" | "]";
  readonly keys: Set<string>;
}

/**
 * The first syntax error or repeated key of JSON text, or undefined when there is none.
 *
 * `JSON.parse` says neither where it stopped (its messages differ between engines) nor that a key came twice.
 */
export function findJsonProblem(text: string): JsonProblem | undefined {
  const open: Open[] = [];
  let expected: Expected = "value";
  token.lastIndex = 0;
  const problem = (offset: number, rule: string): JsonProblem => {
    const before = text.slice(0, offset).split("\n");
    return { offset, line: before.length, column: before.at(-1)!.length + 1, rule };
  };
  const afterValue = (): Expected => {
    const top = open.at(-1);
    return top === undefined ? "end" : top.close === "}" ? ", or }" : ", or ]";
  };
  for (;;) {
    const from = token.lastIndex;
    const match = token.exec(text);
    if (match === null) {
      const offset = from + /^[ \t\n\r]*/.exec(text.slice(from))![0].length;
      if (offset >= text.length && expected === "end") return undefined;
      const found =
        offset >= text.length ? "the text ends here" : `found ${JSON.stringify(text.slice(offset, offset + 12))}`;
      return problem(offset, `${expected} expected, ${found}`);
    }
    const word = match[1] ?? match[2] ?? match[3]!;
    const at = token.lastIndex - word.length;
    const top = open.at(-1);
    if (match[2] !== undefined && (expected === "key" || expected === "key or }")) {
      const key: unknown = JSON.parse(word);
      if (top!.keys.has(String(key))) return problem(at, `key ${word} occurs twice`);
      top!.keys.add(String(key));
      expected = ":";
    } else if (word === ":" && expected === ":") {
      expected = "value";
    } else if (word === "," && (expected === ", or }" || expected === ", or ]")) {
      expected = expected === ", or }" ? "key" : "value";
    } else if ((word === "{" || word === "[") && expected.startsWith("value")) {
      open.push({ close: word === "{" ? "}" : "]", keys: new Set() });
      expected = word === "{" ? "key or }" : "value or ]";
    } else if ((word === "}" || word === "]") && expected.endsWith(`or ${word}`)) {
      open.pop();
      expected = afterValue();
    } else if (match[1] === undefined && expected.startsWith("value")) {
      expected = afterValue();
    } else {
      return problem(at, `${expected} expected, found ${JSON.stringify(word.slice(0, 12))}`);
    }
  }
}
