import { expect, it } from "vitest";
import { createGemmProbe, measureGemm } from "./gemm-probe.ts";
import { openOrtBinding } from "./open-binding.ts";

// Catches operations counted twice or time in the wrong unit: no machine is that slow or that fast.
it("measures a plausible rate, one product at a time or as a median", async () => {
  const { binding } = await openOrtBinding();
  const probe = await createGemmProbe(binding, { m: 256, n: 256, k: 256, intraOpThreads: 2 });
  await probe.measure();
  const start = performance.now();
  const rate = await probe.measure();
  const atLeast = (2 * 256 ** 3) / ((performance.now() - start) * 1e6);
  expect(rate).toBeGreaterThanOrEqual(atLeast);
  expect(rate).toBeLessThan(100_000);
  await probe.dispose();
  const median = await measureGemm(binding, { m: 256, n: 256, k: 256, intraOpThreads: 2 });
  expect(median).toBeGreaterThan(0.5);
  expect(median).toBeLessThan(100_000);
  await binding.dispose();
});
