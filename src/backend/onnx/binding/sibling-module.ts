import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** A module file to start as a program of its own, with the Node flags it needs. */
export interface SiblingModule {
  readonly url: URL;
  readonly execArgv: readonly string[];
}

/**
 * Finds a module beside another one, whether Firth runs from its TypeScript sources or from `dist`.
 * @param name file name without extension
 * @param importMetaUrl `import.meta.url` of the asking module
 */
export function siblingModule(name: string, importMetaUrl: string): SiblingModule {
  if (!new URL(importMetaUrl).pathname.endsWith(".ts")) {
    return { url: new URL(`./${name}.js`, importMetaUrl), execArgv: [] };
  }
  const loader = pathToFileURL(createRequire(importMetaUrl).resolve("tsx")).href;
  return { url: new URL(`./${name}.ts`, importMetaUrl), execArgv: ["--import", loader] };
}
