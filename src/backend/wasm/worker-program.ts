/**
 * @file The program of a kernel worker, as text: it runs the same from sources, from a build and under a test
 * runner, and a worker starts without loading anything else.
 *
 * Messages in: {kernel, module} and {memory, object} make known; {forget} drops a memory; {job, …} works.
 * Pieces are claimed by counting up control[0], so a slow worker takes fewer of them.
 */
export const workerProgram = `
"use strict";
const { parentPort } = require("node:worker_threads");
const modules = new Map();
const memories = new Map();

function instanceOf(kernel, memory) {
  const held = memories.get(memory);
  let instance = held.instances.get(kernel);
  if (instance === undefined) {
    instance = new WebAssembly.Instance(modules.get(kernel), { env: { memory: held.object } }).exports;
    held.instances.set(kernel, instance);
  }
  return instance;
}

function work({ job, kernel, numPieces, stride, numSums, pieces, control, sums }) {
  try {
    for (let i = Atomics.add(control, 0, 1); i < numPieces; i = Atomics.add(control, 0, 1)) {
      const instance = instanceOf(kernel, pieces[i * stride]);
      instance.run(...pieces.subarray(i * stride + 1, (i + 1) * stride));
      for (let s = 0; s < numSums; s++) sums[i * numSums + s] = instance["sum" + s].value;
    }
    parentPort.postMessage({ job });
  } catch (error) {
    parentPort.postMessage({ job, error: String(error) });
  }
}

parentPort.on("message", (message) => {
  if (message.job !== undefined) work(message);
  else if (message.module !== undefined) modules.set(message.kernel, message.module);
  else if (message.object !== undefined) memories.set(message.memory, { object: message.object, instances: new Map() });
  else memories.delete(message.forget);
});
`;
