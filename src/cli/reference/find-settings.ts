/** @file Settings that a word is about. */
import type { Chapter, Setting, SettingGroup } from "./setting-group.ts";

const has = (text: string, word: string): boolean => text.toLowerCase().includes(word);

/** Settings of a group that a word, in small letters, is about: all of them where it is the group's place. */
function settingsAbout(group: SettingGroup, word: string): readonly Setting[] {
  const { path, choice = "", settings } = group;
  const place = path.toLowerCase();
  const isPlace = path !== "" && (place === word || place.startsWith(`${word}.`));
  // The choice by a whole word of it, as `retrieval` or `bert`: parts of words would bring half of the page.
  const isChoice = choice
    .toLowerCase()
    .split(/[^\w-]+/)
    .includes(word);
  if (isPlace || isChoice) return settings;
  return settings.filter(
    ({ name, doc }) =>
      has(name, word) || has(doc, word) || (path === "" ? name : `${path}.${name}`).toLowerCase() === word,
  );
}

/**
 * Groups with the settings that all words are about, each setting once in a group.
 * @param words in any case; none: everything
 */
export function findSettings(chapters: readonly Chapter[], words: readonly string[]): readonly SettingGroup[] {
  const found = chapters
    .flatMap(({ groups }) => groups)
    .map((group) => {
      const wanted = words.map((word) => new Set(settingsAbout(group, word.toLowerCase())));
      return { ...group, settings: group.settings.filter((own) => wanted.every((some) => some.has(own))) };
    });
  return found.filter(({ settings }) => settings.length > 0);
}
