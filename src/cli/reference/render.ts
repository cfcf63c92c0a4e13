/** @file The reference of settings as a page, and as lines for a terminal. */
import { type Chapter, groupTitle, type Setting, type SettingGroup } from "./setting-group.ts";

const escaped = (text: string): string => text.replaceAll("|", "\\|");

function row({ name, kind, byDefault, doc, fileKey }: Setting): string {
  const value = byDefault === undefined ? "required" : `\`${byDefault}\``;
  const file = fileKey === undefined ? [] : [`\`${fileKey}\``];
  return `| ${[`\`${name}\``, ...file, kind, value, doc].map(escaped).join(" | ")} |`;
}

function groupPage(group: SettingGroup): string {
  const columns = group.settings.some(({ fileKey }) => fileKey !== undefined)
    ? ["setting", "config.json", "kind", "default", "meaning"]
    : ["setting", "kind", "default", "meaning"];
  const head = [`| ${columns.join(" | ")} |`, `|${"---|".repeat(columns.length)}`];
  return [`### ${groupTitle(group)}`, "", ...head, ...group.settings.map(row)].join("\n");
}

/** The page of all settings, in Markdown. */
export function settingsPage(chapters: readonly Chapter[]): string {
  const opening = [
    "# Settings of recipes",
    "",
    "Written by `firth settings --markdown`; do not edit. `firth settings WORD` shows those that a word is about. A recipe is YAML; any",
    "setting can be replaced: `--set train.learningRate=1e-4`. What a setting may not be is told with its name, all problems at once.",
  ];
  const parts = chapters.map(({ title, text, groups }) =>
    [`## ${title}`, text, ...groups.map((group) => groupPage(group))].join("\n\n"),
  );
  return `${[opening.join("\n"), ...parts].join("\n\n")}\n`;
}

/** Lines of a text that are at most so wide. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** Settings for a terminal. @param width characters in a line */
export function settingLines(groups: readonly SettingGroup[], width = 100): string {
  const names = Math.max(...groups.flatMap(({ settings }) => settings.map(({ name }) => name.length)));
  const indent = " ".repeat(names + 4);
  const parts = groups.map((group) => {
    const lines = group.settings.flatMap(({ name, kind, byDefault, doc }) => {
      const value = byDefault === undefined ? "required" : `default ${byDefault}`;
      const text = [...wrapped(doc, width - indent.length), ...wrapped(`${kind}; ${value}`, width - indent.length)];
      return text.map((line, i) => (i === 0 ? `  ${name.padEnd(names)}  ${line}` : `${indent}${line}`));
    });
    return [groupTitle(group), ...lines].join("\n");
  });
  return parts.join("\n\n");
}
