import type { Backend } from "../../src/backend/backend.ts";
import { createOnnxBackend } from "../../src/backend/onnx/onnx-backend.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-backend.ts";

/** The engines that whole-model tests run on, with the relative tolerance their arithmetic deserves. */
export const engines: readonly {
  readonly name: string;
  readonly tolerance: number;
  readonly open: () => Promise<Backend>;
}[] = [
  { name: "reference", tolerance: 1e-6, open: async () => createReferenceBackend() },
  { name: "onnx", tolerance: 1e-4, open: () => createOnnxBackend({ threads: 2 }) },
];
