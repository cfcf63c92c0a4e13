import type { Command } from "commander";
import { ConfigError } from "../../base/errors.ts";
import { runs } from "../define-command.ts";
import { settingChapters } from "../reference/chapters.ts";
import { findSettings } from "../reference/find-settings.ts";
import { settingLines, settingsPage } from "../reference/render.ts";

/** `firth settings`. */
export function settingsCommand(command: Command): Command {
  command
    .description("what a recipe may say: every setting, its default and its meaning")
    .argument("[words...]", "only those about these words: a section (transfer.adapter), a task, a name")
    .option("--markdown", "all of them as a page in Markdown");
  return runs(command, async (session, { markdown }, words) => {
    const chapters = settingChapters();
    if (markdown === true) {
      if (words.length > 0) {
        const message = "is of all settings; leave out the words.";
        throw new ConfigError("settings", [{ path: "markdown", message, code: "CONFIG_AMBIGUOUS" }]);
      }
      session.result(chapters, settingsPage(chapters).trimEnd());
      return;
    }
    const groups = findSettings(chapters, words);
    if (groups.length === 0) {
      const message = `no setting is about ${words.join(" ")}. Leave out a word; without any, all settings are shown.`;
      throw new ConfigError("settings", [{ path: "words", message, code: "CONFIG_UNKNOWN_VALUE" }]);
    }
    session.result(groups, settingLines(groups));
  });
}
