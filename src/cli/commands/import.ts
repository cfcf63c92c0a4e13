/** @file `firth import`: models of the Hugging Face hub, or of other programs. */
import process from "node:process";
import type { Command } from "commander";
import { type ImportModelOptions, importModel } from "../../api/import-model.ts";
import type { DownloadProgress } from "../../hub/fetch-model.ts";
import { isHubName } from "../../hub/hub-name.ts";
import { runs } from "../define-command.ts";
import { count, table } from "../number-text.ts";
import { requireNewFolder } from "../output-folder.ts";

/** `firth import hub:NAME[@REVISION]|FOLDER`. */
export function importCommand(command: Command): Command {
  command
    .description("take over a model of the Hugging Face hub, or a folder with pytorch_model.bin, as safetensors")
    .argument("<source>", "hub:OWNER/NAME, hub:OWNER/NAME@REVISION, or a folder")
    .option("-o, --out <folder>", "new folder for the model (models/NAME)")
    .option("--offline", "take what the cache holds, without asking the hub (HF_HUB_OFFLINE)")
    .option("--cache <folder>", "cache of downloads (that of Hugging Face's libraries: HF_HOME, HF_HUB_CACHE)")
    .option("--endpoint <url>", "another hub (HF_ENDPOINT)");
  return runs(command, async (session, given, [source]) => {
    const { out, cache, endpoint, offline } = given as Readonly<Record<string, string | undefined>> & {
      readonly offline?: boolean;
    };
    if (out !== undefined) await requireNewFolder(out);
    const { HF_TOKEN: accessToken, HF_ENDPOINT: otherHub, HF_HUB_OFFLINE: wantsOffline } = process.env;
    const options = (signal: AbortSignal): ImportModelOptions => ({
      outputDir: out,
      cacheFolder: cache,
      hubUrl: endpoint ?? otherHub,
      accessToken,
      offline: offline ?? /^(1|on|yes|true)$/i.test(wantsOffline ?? ""),
      signal,
    });
    const imported = await session.stoppable(async (signal) => {
      if (!isHubName(source!)) return importModel(source!, options(signal));
      const files = new Map<string, DownloadProgress>();
      return session.watch({ label: "download", unit: "bytes" }, (display) =>
        importModel(source!, {
          ...options(signal),
          onProgress: (progress) => {
            files.set(progress.file, progress);
            const sum = (figure: "bytes" | "totalBytes"): number =>
              [...files.values()].reduce((all, file) => all + file[figure], 0);
            display.update(sum("bytes"), sum("totalBytes"));
          },
        }),
      );
    });
    for (const notice of imported.notices) session.say(notice);
    const rows: [string, string][] = [
      ["model", imported.folder],
      ["family", imported.family],
      ["parameters", `${count(imported.parameters)} in ${imported.numTensors} tensors`],
    ];
    if (imported.commit !== undefined) rows.push(["commit", imported.commit]);
    if (imported.newParameters.length > 0) rows.push(["new, untrained", imported.newParameters.join(", ")]);
    session.result({ source, ...imported }, table(rows));
  });
}
