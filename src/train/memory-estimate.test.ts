import { existsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tinySpec } from "../../tests/support/tiny-run.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { ConfigError } from "../base/errors.ts";
import type { Batch } from "../data/batch.ts";
import { estimateMemory, memoryText, requireMemory } from "./memory-estimate.ts";
import { train } from "./trainer.ts";

function batchOf(width: number): Batch {
  const ids = { dtype: "i32", shape: [1, width], data: new Int32Array(width) } as const;
  return { tensors: { ids }, counts: {}, numSequences: 1, numTokens: width, numPlaces: width };
}

const facts = { processBytes: 200e6, parameterBytes: 1_760e6 };
const memoryFor = (batch: Batch) => ({ workBytes: batch.numPlaces * 1e6, heldBytes: 100e6, bufferBytes: 5e6 });

test("parts of one shape share a graph, graphs share their working memory unless they run at the same time (bug: added up, or the last one taken)", () => {
  const one = estimateMemory([[batchOf(128)]], memoryFor, facts)!;
  expect(estimateMemory([[batchOf(128)], [batchOf(128)]], memoryFor, facts)).toEqual(one);
  const two = estimateMemory([[batchOf(512)], [batchOf(128)]], memoryFor, facts)!;
  expect(two.activationBytes).toBe(512e6);
  expect(two.otherBytes - one.otherBytes).toBe(105e6);
  expect(two.totalBytes).toBe(1_960e6 + 512e6 + two.otherBytes);
  const together = estimateMemory([[batchOf(512), batchOf(128)]], memoryFor, facts)!;
  expect(together.activationBytes).toBe(640e6);
  expect(together.otherBytes).toBe(two.otherBytes);
  expect(estimateMemory([[batchOf(1)]], () => undefined, facts)).toBeUndefined();
});

test("a run that does not fit is refused with its bytes and what helps (bug: advice that is followed already)", () => {
  const estimate = estimateMemory([[batchOf(2000)]], memoryFor, facts)!;
  expect(() => requireMemory(estimate, { recomputeLayers: false }, estimate.totalBytes)).not.toThrow();
  const refusal = (recomputeLayers: boolean, free: number): ConfigError => {
    try {
      requireMemory(estimate, { recomputeLayers }, free);
    } catch (error) {
      if (error instanceof ConfigError) return error;
    }
    throw new Error("not refused");
  };
  const plain = refusal(false, 3e9);
  expect(plain.code).toBe("MEMORY_EXCEEDED");
  expect(plain.message).toContain(`needs ${estimate.totalBytes} bytes`);
  expect(plain.message).toMatch(/set recomputeLayers: true or raise gradientAccumulationSteps, or lower batchSize/);
  expect(refusal(true, 3e9).message).toMatch(/To shrink it, raise gradientAccumulationSteps, or lower batchSize/);
  expect(refusal(true, 1e9).message).toMatch(/alone take 1\.8 GB: use a smaller model/);
  expect(memoryText(estimate)).toMatch(/^about 4\.1 GB at the peak: 1\.8 GB weights/);
});

test("training that does not fit is refused before a file is written, and told before it begins (bug: refused after the first step)", async () => {
  const plain = createReferenceBackend({ precision: "f32" });
  const outputDir = join(await mkdtemp(join(tmpdir(), "firth-memory-")), "run");
  const notices: string[] = [];
  const run = (workBytes: number) =>
    train(
      tinySpec(
        { ...plain, memoryOf: () => ({ workBytes, heldBytes: 0 }) },
        { maxSteps: 1 },
        {
          outputDir,
          listener: (event) => {
            if (event.kind === "notice") notices.push(event.message);
          },
        },
      ),
    );
  await expect(run(1e18)).rejects.toMatchObject({ code: "MEMORY_EXCEEDED" });
  expect(existsSync(outputDir)).toBe(false);
  expect((await run(1e3)).steps).toBe(1);
  expect(notices.map((text) => /memory: about .* at the peak/.test(text))).toEqual([true, true]);
  await plain.dispose();
});
