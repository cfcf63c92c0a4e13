/**
 * A regular expression for a file pattern: `*` and `?` stay inside one folder, `**` crosses folders,
 * `{a,b}` is a choice. Paths use `/`.
 */
export function globPattern(glob: string): RegExp {
  let depth = 0;
  const source = glob.replace(/\*\*\/|\*\*|[*?{},.+^$()|[\]\\]/g, (part) => {
    if (part === "**/") return "(?:[^/]+/)*";
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    if (part === "{") {
      depth++;
      return "(?:";
    }
    if (part === "}" && depth > 0) {
      depth--;
      return ")";
    }
    if (part === ",") return depth > 0 ? "|" : ",";
    return `\\${part}`;
  });
  return new RegExp(`^${source}${")".repeat(depth)}$`, "u");
}
