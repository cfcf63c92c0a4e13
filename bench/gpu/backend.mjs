// Opens an engine of the built package, XLA's with room beside it for other programs on the same device.

import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";

// Run with tsx, this is of the sources, as FIRTH_SOURCE says; otherwise of the build.
const [folder, extension] = process.env.FIRTH_SOURCE === "1" ? ["src", ".ts"] : ["dist", ".js"];
export const dist = (path) => import(new URL(`../../${folder}/${path}${extension}`, import.meta.url).href);

const text = { type: "string" };

/** The options that every program here has, and its own. */
export function backendOptions(own = {}) {
  const common = { engine: text, plugin: text, python: text, attention: text, flags: text, dtype: text };
  return parseArgs({ options: { ...common, ...own } }).values;
}

/** The plugin that the Python package of JAX brought, as the machine's own python3 finds it. */
export function pluginOfPython(python) {
  const script =
    "import jax_plugins.xla_cuda13 as p, os; print(os.path.join(os.path.dirname(p.__file__), 'xla_cuda_plugin.so'))";
  return execFileSync(python, ["-c", script], { encoding: "utf8" }).trim();
}

/** `name=value,…` as flags of the compiler. */
function compilerFlags(given) {
  const parsed = (word) => (word === "true" || word === "false" ? word === "true" : Number(word));
  return Object.fromEntries(
    (given ?? "")
      .split(",")
      .filter(Boolean)
      .map((one) => {
        const [name, word = "true"] = one.split("=");
        const value = parsed(word);
        return [name.replace(/^-+/, ""), Number.isNaN(value) ? word : value];
      }),
  );
}

/**
 * @param {{ engine?: string, plugin?: string, python?: string, attention?: string, flags?: string }} options `cuda` opens a PJRT
 *   plugin by its path; `attention` written-out uses no kernels for it; `flags` are the compiler's
 * @returns the engine and, for XLA's, the calls that attention may use
 */
export async function openBackend({ engine = "onnx", plugin, python = "python3", attention, flags }) {
  const kernels = attention === undefined ? {} : { attention };
  const callsOf = ({ executor }) =>
    attention === "written-out" || executor === undefined ? undefined : executor.facts.customCalls;
  if (engine !== "cuda") {
    const { openEngine } = await dist("index");
    const backend = await openEngine({ engine, ...kernels, ...(plugin === undefined ? {} : { plugin }) });
    return { backend, customCalls: callsOf(backend) };
  }
  const { openPjrt } = await dist("backend/xla/pjrt/open-pjrt");
  const { XlaBackend } = await dist("backend/xla/xla-backend");
  const { lowerToStableHlo } = await dist("backend/xla/lower/lower-to-stablehlo");
  const executor = await openPjrt({
    plugin: plugin ?? pluginOfPython(python),
    platform: "cuda",
    // Sides share the device: none may take its memory at once.
    options: { preallocate: false },
    flags: compilerFlags(flags),
  });
  const backend = new XlaBackend(executor, { lower: lowerToStableHlo, ...kernels });
  return { backend, customCalls: callsOf(backend) };
}
