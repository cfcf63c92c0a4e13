/** @file A run in a process of its own, to be killed: prints each step made, and goes on from its checkpoints. */
import { createOnnxBackend } from "../../src/backend/onnx/onnx-backend.ts";
import { train } from "../../src/train/trainer.ts";
import { killedRunOptions, tinySpec } from "./tiny-run.ts";

const [outputDir] = process.argv.slice(2);
const backend = await createOnnxBackend({ threads: 2 });
const spec = tinySpec(backend, killedRunOptions, {
  outputDir,
  listener: (event) => {
    if (event.kind === "step") process.stdout.write(`${event.step}\n`);
  },
});
await train(spec);
await backend.dispose();
