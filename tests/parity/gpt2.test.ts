import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createReferenceBackend } from "../../src/backend/reference/reference-backend.ts";
import { writeWeights } from "../../src/formats/model-weights.ts";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import type { TensorToWrite } from "../../src/formats/safetensors-writer.ts";
import { gpt2Family as family } from "../../src/models/gpt2/family.ts";
import type { EncoderInputs } from "../../src/models/model.ts";
import { reshape } from "../../src/tensor/movement.ts";
import { describeCausalParity, forwardNumbers } from "../support/causal-parity.ts";
import { relativeDifference } from "../support/close.ts";

describeCausalParity({
  name: "gpt2",
  pretraining: async (folder) => {
    const loaded = await family.loadPretraining(folder, 0);
    return { ...loaded, map: family.weightMap(loaded.config) };
  },
  classification: async (folder) => {
    const loaded = await family.loadClassification(folder, 0);
    return { ...loaded, map: family.weightMap(loaded.config) };
  },
});

/** What the checkpoint's outputs are given for. */
interface Toy {
  readonly input_ids: readonly number[];
  readonly final_hidden: readonly (readonly number[])[];
  readonly logits: readonly (readonly number[])[];
}

const toy = fileURLToPath(new URL("../../../shared/models/gpt2-toy-tf-checkpoint/", import.meta.url));

/** OpenAI's names of tensors as transformers' (`model/h0/attn/c_attn/w` → `transformer.h.0.attn.c_attn.weight`). */
function huggingFaceName(name: string): string {
  const parts = name
    .replace(/^model\/h(\d+)/, "model/h/$1")
    .split("/")
    .slice(1);
  const ends: Record<string, string> = { w: "weight", g: "weight", b: "bias" };
  const last = parts.at(-1)!;
  return `transformer.${last in ends ? [...parts.slice(0, -1), ends[last]].join(".") : `${parts.join(".")}.weight`}`;
}

test.skipIf(!existsSync(toy))(
  "a checkpoint of OpenAI's own layout gives the states and scores computed from it by NumPy (skipped without ../shared)",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "firth-gpt2-toy-"));
    const file = await openSafetensors(join(toy, "model.safetensors"));
    const tensors: TensorToWrite[] = [];
    for (const name of file.names) {
      const { data, shape } = await file.read(name);
      // Convolutions of width 1.
      const own = shape.length === 3 ? shape.slice(1) : shape;
      tensors.push({ name: huggingFaceName(name), dtype: "F32", shape: own, data: data as Float32Array });
    }
    await file.close();
    await writeWeights(folder, tensors);
    const { n_vocab, ...sizes } = JSON.parse(await readFile(join(toy, "hparams.json"), "utf8"));
    const config = { model_type: "gpt2", vocab_size: n_vocab, bos_token_id: null, eos_token_id: null, ...sizes };
    await writeFile(join(folder, "config.json"), JSON.stringify(config));
    const loaded = await family.loadPretraining(folder, 0);
    const backend = createReferenceBackend();
    const expected = JSON.parse(await readFile(join(toy, "expected.json"), "utf8")) as Toy[];
    for (const { input_ids: ids, final_hidden: states, logits } of expected) {
      const row = (value: (i: number) => number) => ({
        dtype: "i32" as const,
        shape: [1, ids.length],
        data: Int32Array.from(ids, (_, i) => value(i)),
      });
      const rows = {
        inputIds: row((i) => ids[i]!),
        sequenceIds: row(() => 1),
        positionIds: row((i) => i),
        tokenTypeIds: row(() => 0),
      };
      const batch = { tensors: rows, counts: {}, numSequences: 1, numTokens: ids.length, numPlaces: ids.length };
      const results = await forwardNumbers(backend, loaded, batch, (context, inputs) => {
        const { encoder } = loaded.module;
        const hidden = reshape(encoder.encode(context, inputs as unknown as EncoderInputs).lastHiddenState, [-1, 15]);
        return { hidden, logits: loaded.module.causalLmLogits!(context, hidden) };
      });
      // Written with seven decimals.
      expect(relativeDifference(results.hidden!, states.flat())).toBeLessThan(1e-6);
      expect(relativeDifference(results.logits!, logits.flat())).toBeLessThan(1e-6);
    }
    await backend.dispose();
    await rm(folder, { recursive: true });
  },
);
