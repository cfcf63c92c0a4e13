/** @file `firth engine …`: libraries that XLA runs on: which there are, whether they work, and bringing one here. */
import { arch, platform as systemName } from "node:os";
import process from "node:process";
import { type Command, Option } from "commander";
import { defaultEngineFolder } from "../../backend/xla/plugin/engine-folder.ts";
import { findXlaLibraries } from "../../backend/xla/plugin/find-library.ts";
import { type XlaLibrary, type XlaPlatform, xlaPlatforms } from "../../backend/xla/plugin/library.ts";
import { selfTestXla } from "../../backend/xla/self-test.ts";
import { ConfigError } from "../../base/errors.ts";
import { engineReleases } from "../../hub/engine-release.ts";
import { type EngineSource, installEngine } from "../../hub/install-engine.ts";
import { defineCommand, type Given, runs } from "../define-command.ts";
import type { Check } from "../doctor/check.ts";
import { checkLine } from "../doctor/check-line.ts";
import { table } from "../number-text.ts";

const machine = `${systemName()}-${arch()}`;

const folderOption = [
  "--engine-folder <folder>",
  "where engines are installed (FIRTH_ENGINE_FOLDER, or firth/engines in this user's data folder)",
] as const;

function engineFolder(given: Given): string {
  return (given.engineFolder as string | undefined) ?? defaultEngineFolder(process.env);
}

function requirePlatform(text: string): XlaPlatform {
  const name = text.replace(/^xla:/, "");
  const known = xlaPlatforms.find((platform) => platform === name);
  if (known !== undefined) return known;
  const message = `must be one of ${xlaPlatforms.join(", ")}; got ${JSON.stringify(text)}.`;
  throw new ConfigError("engine", [{ path: "platform", message, code: "CONFIG_UNKNOWN_VALUE" }]);
}

/** Libraries at hand, those that would be taken first. */
function librariesOf(platform: XlaPlatform, given: Given) {
  const plugin = given.plugin as string | undefined;
  return findXlaLibraries(platform, { engineFolder: engineFolder(given), ...(plugin === undefined ? {} : { plugin }) });
}

function installSource(platform: XlaPlatform, { from, sha256 }: Given): EngineSource {
  const hash = sha256 as string | undefined;
  if (from !== undefined) return { from: from as string, sha256: hash };
  const release = engineReleases.find((known) => known.platform === platform && known.machine === machine);
  if (release === undefined) {
    const known = engineReleases.map((each) => `${each.platform} on ${each.machine}`).join(", ");
    const message = `there is no release for ${platform} on ${machine}; there is one for ${known}. Give a plugin's file with --from, or install it with Python (firth engine list finds it).`;
    throw new ConfigError("engine install", [{ path: "platform", message, code: "ENGINE_NO_RELEASE" }]);
  }
  return { from: release.url, sha256: hash ?? release.sha256, release: release.release };
}

function installCommand(): Command {
  const command = defineCommand("install", "bring an XLA plugin here, checked against its checksum")
    .argument("[platform]", xlaPlatforms.join(", "), "cpu")
    .option("--from <file>", "a plugin (.so, .dylib) or archive (.tar.gz) of this machine, or another address")
    .option("--sha256 <digits>", "what the file must hash to; needed for other addresses")
    .option(...folderOption);
  return runs(command, async (session, given, [text]) => {
    const platform = requirePlatform(text!);
    const source = installSource(platform, given);
    const needs = engineReleases.find((known) => known.url === source.from)?.needs;
    const options = { engineFolder: engineFolder(given), platform, source };
    const isLocal = !source.from.includes("://");
    const installed = await session.stoppable((signal) =>
      isLocal
        ? installEngine({ ...options, signal })
        : session.watch({ label: "download", unit: "bytes" }, (display) =>
            installEngine({
              ...options,
              signal,
              onProgress: (bytes, total) => display.update(bytes, Math.max(bytes, total)),
            }),
          ),
    );
    if (source.sha256 === undefined) {
      session.say(`No checksum was given: that of the file, ${installed.sha256}, is written down and checked nowhere.`);
    }
    if (needs !== undefined) session.say(`It needs ${needs}.`);
    const { found } = librariesOf(platform, { ...given, plugin: undefined });
    const [first] = found;
    if (first !== undefined && first.path !== installed.path) {
      session.say(`Not in use: ${first.path}, found by ${first.foundBy}, goes before it.`);
    }
    const rows: [string, string][] = [
      ["engine", `xla:${platform}`],
      ["plugin", installed.path],
      ["from", installed.source],
      ["SHA-256", installed.sha256],
      ["next", `firth engine doctor ${platform}`],
    ];
    session.result({ engine: `xla:${platform}`, ...installed }, table(rows));
  });
}

function listCommand(): Command {
  const command = defineCommand("list", "the XLA libraries that are here, in the order in which they are taken").option(
    ...folderOption,
  );
  return runs(command, async (session, given) => {
    const all = xlaPlatforms.map((platform) => ({ platform, ...librariesOf(platform, given) }));
    const lines = all.flatMap(({ platform, found, problem }) => {
      const engine = `xla:${platform}`.padEnd(8);
      if (problem !== undefined) return [`${engine}  ${problem}`];
      if (found.length === 0) return [`${engine}  none (firth engine install ${platform})`];
      return found.map(({ kind, path, foundBy }, i) => {
        const name = kind === "pjrt" ? "plugin" : "TensorFlow";
        return `${i === 0 ? engine : " ".repeat(8)}  ${name} ${path}, found by ${foundBy}`;
      });
    });
    const results = all.map(({ platform, found, searched, problem }) => ({
      engine: `xla:${platform}`,
      found: found.map(({ kind, path, foundBy }) => ({ kind, path, foundBy })),
      searched,
      ...(problem === undefined ? {} : { problem }),
    }));
    session.result(results, lines.join("\n"));
  });
}

async function checkLibrary(library: XlaLibrary, isUsed: boolean): Promise<Check> {
  const { passed, detail } = await selfTestXla(library, { isFresh: true });
  const name = `xla:${library.platform}`;
  const origin = `found by ${library.foundBy}${isUsed ? "" : "; not the one that is taken"}`;
  if (passed) return { name, status: "ok", detail: `${detail}; ${origin}` };
  const fix = "Install another release of it, or see that the device's driver is there.";
  return { name, status: isUsed ? "fail" : "warn", detail: `${library.path}: ${detail}; ${origin}`, fix };
}

function doctorCommand(): Command {
  const command = defineCommand("doctor", "open XLA libraries in a process of their own, compute, and time products")
    .argument("[platforms...]", `${xlaPlatforms.join(", ")}; all that are here when left out`)
    .option("--all", "every library that is here, not only those that are taken")
    .option(...folderOption)
    .addOption(new Option("--plugin <file>", "this library instead of those that are here"));
  return runs(command, async (session, given, names) => {
    const wanted = names.length === 0 ? undefined : names.map(requirePlatform);
    if (wanted === undefined && given.plugin !== undefined) {
      const message = "must be given with --plugin: which platform it is for.";
      throw new ConfigError("engine doctor", [{ path: "platforms", message, code: "CONFIG_MISSING" }]);
    }
    const checks: Check[] = [];
    for (const platform of wanted ?? xlaPlatforms) {
      const { found, problem, searched } = librariesOf(platform, given);
      const tried = given.all === true ? found : found.slice(0, 1);
      for (const library of tried) checks.push(await checkLibrary(library, library === found[0]));
      if (found.length > 0 || (wanted === undefined && problem === undefined)) continue;
      const detail = problem ?? `no library in the ${searched.length} places that were looked at`;
      checks.push({ name: `xla:${platform}`, status: "fail", detail, fix: `firth engine install ${platform}` });
    }
    const width = Math.max(0, ...checks.map(({ name }) => name.length));
    const text = checks.map((check) => checkLine(check, width)).join("\n");
    session.result(checks, text === "" ? "No XLA library is here: firth engine install cpu brings one." : text);
    if (checks.some(({ status }) => status === "fail")) session.fail();
  });
}

/** The commands under `firth engine`. */
export function engineCommands(command: Command): Command {
  return command
    .description("XLA's libraries: which there are, whether they work, and bringing one here")
    .addCommand(installCommand())
    .addCommand(listCommand())
    .addCommand(doctorCommand());
}
