import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { type ResourceLimits, Worker } from "node:worker_threads";

/** A module file to start as a program of its own, with the Node flags it needs. */
export interface SiblingModule {
  readonly url: URL;
  readonly execArgv: readonly string[];
}

function runsFromSource(importMetaUrl: string): boolean {
  return new URL(importMetaUrl).pathname.endsWith(".ts");
}

/**
 * Finds a module beside another one, whether Firth runs from its TypeScript sources or from `dist`.
 * @param name file name without extension
 * @param importMetaUrl `import.meta.url` of the asking module
 */
export function siblingModule(name: string, importMetaUrl: string): SiblingModule {
  if (!runsFromSource(importMetaUrl)) {
    return { url: new URL(`./${name}.js`, importMetaUrl), execArgv: [] };
  }
  const loader = pathToFileURL(createRequire(importMetaUrl).resolve("tsx")).href;
  return { url: new URL(`./${name}.ts`, importMetaUrl), execArgv: ["--import", loader] };
}

/** Starts a module beside another one as a worker thread. */
export function startSiblingWorker(name: string, importMetaUrl: string, resourceLimits: ResourceLimits = {}): Worker {
  const options = { execArgv: [], resourceLimits };
  if (!runsFromSource(importMetaUrl)) return new Worker(new URL(`./${name}.js`, importMetaUrl), options);
  // Node 20 does not apply --import loaders to the entry file of a worker, so the worker registers tsx itself.
  const commonJsApi = pathToFileURL(createRequire(importMetaUrl).resolve("tsx/esm/api"));
  const api = new URL("./index.mjs", commonJsApi).href;
  const url = new URL(`./${name}.ts`, importMetaUrl).href;
  const code = `import { register } from ${JSON.stringify(api)}; register(); await import(${JSON.stringify(url)});`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), options);
}
