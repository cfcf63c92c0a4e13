// Opens an engine of the built package, XLA's with room beside it for other programs on the same device.

import { execFileSync } from "node:child_process";

// Run with tsx, this is of the sources, as FIRTH_SOURCE says; otherwise of the build.
const [folder, extension] = process.env.FIRTH_SOURCE === "1" ? ["src", ".ts"] : ["dist", ".js"];
const dist = (path) => import(new URL(`../../${folder}/${path}${extension}`, import.meta.url).href);

/** The plugin that the Python package of JAX brought, as the machine's own python3 finds it. */
function pluginOfPython(python) {
  const script =
    "import jax_plugins.xla_cuda13 as p, os; print(os.path.join(os.path.dirname(p.__file__), 'xla_cuda_plugin.so'))";
  return execFileSync(python, ["-c", script], { encoding: "utf8" }).trim();
}

/**
 * @param {{ engine: string, plugin?: string, python?: string }} options `cuda` opens a PJRT plugin by its path
 * @returns the engine and, for XLA's, the calls its compiler has kernels for
 */
export async function openBackend({ engine, plugin, python = "python3" }) {
  if (engine !== "cuda") {
    const { openEngine } = await dist("index");
    const backend = await openEngine({ engine });
    return { backend, customCalls: backend.executor?.facts.customCalls };
  }
  const { openPjrt } = await dist("backend/xla/pjrt/open-pjrt");
  const { XlaBackend } = await dist("backend/xla/xla-backend");
  const { lowerToStableHlo } = await dist("backend/xla/lower/lower-to-stablehlo");
  const executor = await openPjrt({
    plugin: plugin ?? pluginOfPython(python),
    platform: "cuda",
    options: { preallocate: false },
  });
  return { backend: new XlaBackend(executor, { lower: lowerToStableHlo }), customCalls: executor.facts.customCalls };
}

export { dist };
