/**
 * @file A program that ends with a plugin's arrays and runs alive: by itself (`exit`), or by ending the thread that has them
 * (`worker`). Arguments: how, and the plugin's file.
 */
import process, { argv, stdout } from "node:process";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { openPjrt } from "../../src/backend/xla/pjrt/open-pjrt.ts";

const type = { dtype: "f32", shape: [1 << 16] } as const;
const text = "tensor<65536xf32>";

async function abandon(plugin: string): Promise<void> {
  const executor = await openPjrt({ plugin, platform: "cpu" });
  const program = await executor.compile({
    name: "sines",
    text: `func.func @main(%x: ${text}) -> ${text} { %0 = stablehlo.sine %x : ${text} return %0 : ${text} }`,
    inputs: [type],
    outputs: [type],
    donated: [],
    partitions: 1,
    inputShardings: [],
    outputShardings: [],
  });
  let array = executor.upload(new Float32Array(1 << 16).fill(1), type);
  for (let i = 0; i < 20; i++) [array] = (await program.run([array])) as [typeof array];
  // One that is not waited for.
  void program.run([array]);
}

if (!isMainThread) {
  await abandon(workerData as string);
  parentPort!.postMessage("ready");
  setInterval(() => undefined, 1000);
} else {
  const [how, plugin] = argv.slice(2);
  if (how === "exit") {
    await abandon(plugin!);
  } else {
    // Node 20 does not apply loaders to the entry file of a worker, so the worker registers tsx itself.
    const code = `import { register } from "tsx/esm/api"; register(); await import(${JSON.stringify(import.meta.url)});`;
    const worker = new Worker(code, { eval: true, workerData: plugin, execArgv: ["--input-type=module"] });
    await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    await worker.terminate();
  }
  stdout.write("ended\n");
  process.exit(0);
}
