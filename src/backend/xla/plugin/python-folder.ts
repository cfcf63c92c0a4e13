/** @file Where the Pythons at hand keep their packages, without running any of them. */
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";

type Variables = Readonly<Record<string, string | undefined>>;

const pythonNames = ["python3", "python"];

/** Names in a folder; none where there is no such folder. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Package folders below `PREFIX/lib`, the newest Python first. */
function packageFolders(prefix: string): string[] {
  return ["lib", "lib64"].flatMap((lib) =>
    namesIn(join(prefix, lib))
      .filter((name) => /^python3(\.\d+)?$/.test(name))
      .sort((a, b) => Number(b.slice(8) || 0) - Number(a.slice(8) || 0))
      .flatMap((name) => ["site-packages", "dist-packages"].map((kind) => join(prefix, lib, name, kind))),
  );
}

/** Where a Python on the path is installed: its own environment, or what its links lead to. */
function prefixesOnPath(variables: Variables): string[] {
  const folders = (variables.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const folder of folders) {
    for (const name of pythonNames) {
      const file = join(folder, name);
      if (!existsSync(file)) continue;
      const own = dirname(resolve(folder));
      // An environment's Python is a link to another's, whose packages it does not have.
      if (existsSync(join(own, "pyvenv.cfg"))) return [own];
      return [own, dirname(dirname(realpathSync(file)))];
    }
  }
  return [];
}

/** Folders of Python packages that are there, in the order in which they are asked: what is active comes first. */
export function pythonPackageFolders(variables: Variables): readonly string[] {
  const { PYTHONPATH, VIRTUAL_ENV, CONDA_PREFIX, HOME } = variables;
  const named = (PYTHONPATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const active = [VIRTUAL_ENV, CONDA_PREFIX].filter((prefix) => prefix !== undefined && prefix !== "") as string[];
  const prefixes = [
    ...active,
    ...prefixesOnPath(variables),
    ...(HOME === undefined || HOME === "" ? [] : [join(HOME, ".local")]),
    "/usr/local",
    "/usr",
  ];
  const folders = [...named.map((folder) => resolve(folder)), ...prefixes.flatMap(packageFolders)];
  // lib64 is often a link to lib.
  const seen = new Set<string>();
  return folders.filter((folder) => {
    if (!existsSync(folder)) return false;
    const place = realpathSync(folder);
    const isNew = !seen.has(place);
    seen.add(place);
    return isNew;
  });
}
