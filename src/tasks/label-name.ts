/** @file The classes of a task by name. */

const number = /^-?\d+(\.\d+)?$/;

/** Class names in their lasting order: numbers by size, other names by their characters. */
export function sortLabels(names: Iterable<string>): string[] {
  const list = [...new Set(names)];
  if (list.every((name) => number.test(name))) return list.sort((a, b) => Number(a) - Number(b) || (a < b ? -1 : 1));
  return list.sort((a, b) => (a < b ? -1 : 1));
}

/** Names for a message, cut when there are many. */
export function showLabels(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => JSON.stringify(name));
  return names.length > 20 ? `${shown.join(", ")} and ${names.length - 20} more` : shown.join(", ");
}
