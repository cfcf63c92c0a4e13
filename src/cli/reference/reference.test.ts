import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { isSection } from "../recipe/problems.ts";
import { settingChapters } from "./chapters.ts";
import { findSettings } from "./find-settings.ts";
import { settingLines, settingsPage } from "./render.ts";
import { groupTitle } from "./setting-group.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const chapters = settingChapters();
const groups = chapters.flatMap((chapter) => chapter.groups);
const titles = (...words: string[]) => findSettings(chapters, words).map(groupTitle);

/** Dotted paths of all values of a recipe; lists are values. */
function pathsOf(value: unknown, path: string): string[] {
  if (!isSection(value)) return [path];
  return Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, path === "" ? key : `${path}.${key}`));
}

test("every setting of every recipe of the project is told of (bug: a section that the reference lacks)", () => {
  const choosers = [
    "kind",
    "objective.name",
    "transfer.unfreezing.name",
    "transfer.schedule.name",
    "transfer.adapter.kind",
  ];
  const sections = new Set(groups.map(({ path }) => path));
  const known = new Set([
    ...choosers,
    ...["task.name", "tasks.NAME.task.name", "tasks.NAME.head.kind"],
    ...groups.flatMap(({ path, settings }) => settings.map(({ name }) => (path === "" ? name : `${path}.${name}`))),
  ]);
  const files = readdirSync(join(root, "recipes")).filter((name) => name.endsWith(".yaml"));
  expect(files.length).toBeGreaterThan(40);
  for (const file of files) {
    const recipe: unknown = parse(readFileSync(join(root, "recipes", file), "utf8"));
    for (const given of pathsOf(recipe, "")) {
      const path = given.replace(/^tasks\.[^.]+/, "tasks.NAME").replace(/^single\./, "train.");
      // A task among several has the settings of a task alone, or those of a ranking.
      const places = [path, path.replace(/^tasks\.NAME\.(task|data)\.(?!name$)/, "$1.")];
      expect(
        places.some((place) => known.has(place) || sections.has(place)),
        `${file}: ${given}`,
      ).toBe(true);
    }
  }
});

test("the page is the one in docs (write it anew: firth settings --markdown > docs/settings.md)", () => {
  expect(readFileSync(join(root, "docs", "settings.md"), "utf8")).toBe(settingsPage(chapters));
});

test("groups have titles of their own, settings different names and a meaning each (bug: two choices under one title)", () => {
  const all = groups.map(groupTitle);
  expect(new Set(all).size).toBe(all.length);
  for (const group of groups) {
    const names = group.settings.map(({ name }) => name);
    expect(new Set(names).size, groupTitle(group)).toBe(names.length);
    for (const { name, doc } of group.settings) expect(doc, `${groupTitle(group)}.${name}`).toMatch(/^\S.*\.$/);
  }
});

test("words find sections, choices, names and meanings, all of them at once (bugs: parts of choices, letters' case, any word instead of all)", () => {
  expect(titles("transfer.adapter", "rank")).toEqual(["transfer.adapter (kind: lora)"]);
  expect(titles("LORA")).toEqual(["transfer.adapter (kind: lora)"]);
  expect(titles("transfer.unfreezing.everyEpochs")).toEqual(["transfer.unfreezing (name: gradual)"]);
  expect(titles("train", "lanes")).toEqual(["train"]);
  expect(titles("retrieval")).toEqual(["task (name: retrieval)"]);
  expect(findSettings(chapters, ["train", "warmupSteps"])[0]!.settings.map(({ name }) => name)).toEqual([
    "warmupSteps",
    "warmupRatio",
  ]);
  expect(titles("warmupSteps", "crf")).toEqual([]);
  expect(findSettings(chapters, [])).toHaveLength(groups.length);
});

test("lines for a terminal are no wider than it, and say default or required", () => {
  const lines = settingLines(groups, 90).split("\n");
  const titled = new Set(groups.map(groupTitle));
  expect(lines.filter((line) => line.length > 90 && !titled.has(line))).toEqual([]);
  const text = settingLines(findSettings(chapters, ["train", "maxSteps"]), 90);
  expect(text).toMatch(
    /^train\n {2}maxSteps +Optimizer steps; null: numEpochs decides\.\n +integer ≥ 1 or null; default null/,
  );
  expect(settingLines(findSettings(chapters, ["glue", "model"]))).toContain("text; required");
});
