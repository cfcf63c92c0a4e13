import { type ConfigField, showValue, textField } from "../../formats/config-fields.ts";

/** One path or a list of paths, which becomes a list. */
export function pathsField(doc: string): ConfigField<readonly string[], true> {
  return {
    ...textField({ doc }),
    kind: "path or list of paths",
    default: undefined,
    check: (value) => {
      const paths: readonly unknown[] = Array.isArray(value) ? value : [value];
      return paths.length > 0 && paths.every((path): path is string => typeof path === "string" && path !== "")
        ? { value: Object.freeze([...paths]) }
        : { rule: `must be a path or a list of paths; got ${showValue(value)}.` };
    },
  };
}
