import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { createOnnxBackend } from "../../src/backend/onnx/onnx-backend.ts";
import { beamSearch } from "../../src/generation/beam-search.ts";
import { FeedProgram } from "../../src/generation/feed-program.ts";
import { processorsFor } from "../../src/generation/logits-processor.ts";
import { writingNetwork } from "../../src/generation/network.ts";
import { generationTable } from "../../src/generation/settings.ts";
import { writeTexts } from "../../src/generation/write-texts.ts";
import type { WritingPrompt } from "../../src/generation/writing-rows.ts";
import type { WrittenTokens } from "../../src/generation/written-text.ts";
import { bartFamily } from "../../src/models/bart/family.ts";
import { gpt2Family } from "../../src/models/gpt2/family.ts";
import { FixedWeights } from "../../src/train/fixed-weights.ts";

type Json = number | boolean | string | readonly number[];

interface Case {
  readonly settings: Readonly<Record<string, Json>>;
  /** For each prompt. */
  readonly texts: readonly { readonly tokens: readonly (readonly number[])[]; readonly scores?: readonly number[] }[];
}

interface Fixture {
  readonly prompts: readonly (readonly number[])[];
  readonly cases: readonly Case[];
}

const engine = await createOnnxBackend({ threads: 1 });
afterAll(() => engine.dispose());

/** All cases of a model, run with all prompts side by side though transformers had each by itself. */
describe.each([
  ["gpt2", gpt2Family],
  ["bart", bartFamily],
] as const)("%s writes what transformers writes", async (name, family) => {
  const folder = fileURLToPath(new URL(`../fixtures/generation/${name}/`, import.meta.url));
  const { prompts, cases } = JSON.parse(readFileSync(`${folder}cases.json`, "utf8")) as Fixture;
  const { module, weights } = await family.loadPretraining(folder, 0);
  const network = writingNetwork(module);
  const store = new FixedWeights(engine, module, weights);
  const program = new FeedProgram({ backend: engine, store, network, policy: { compute: "f32" } });
  afterAll(async () => {
    await program.dispose();
    store.dispose();
  });

  const promptOf = (ids: readonly number[]): WritingPrompt =>
    network.startTokenId === undefined
      ? { source: new Int32Array(), tokens: Int32Array.from(ids) }
      : { source: Int32Array.from(ids), tokens: Int32Array.of(network.startTokenId) };

  const run = async (given: Case["settings"]): Promise<WrittenTokens[][]> => {
    const { config } = generationTable.parse({ eos_token_id: [2], ...given }, "case");
    const { maxNewTokens, numBeams, lengthPenalty, earlyStopping, numReturnSequences } = config;
    const eos = config.eosTokenIds!;
    const processors = processorsFor(config, eos);
    const requests = prompts.map((ids, sequence) => ({
      prompt: promptOf(ids),
      sequence,
      maxNewTokens,
      onToken: (token: number) => (eos.includes(token) ? ("eos" as const) : undefined),
    }));
    if (numBeams === 1) {
      const choice = { processors, doSample: false, seed: 0, logProbabilities: false };
      return (await writeTexts(program, requests, choice)).map((text) => [text]);
    }
    const stop = (tokens: readonly number[]) => (eos.includes(tokens.at(-1)!) ? ("eos" as const) : undefined);
    const searched = requests.map((request) => ({ ...request, stop }));
    const choice = { numBeams, lengthPenalty, earlyStopping, numReturnSequences, processors };
    return beamSearch(program, searched, { ...choice, numEosTokens: eos.length });
  };

  test.each(cases.map((one) => [JSON.stringify(one.settings), one] as const))("%s", async (_, { settings, texts }) => {
    const found = await run(settings);
    expect(found.map((list) => list.map(({ tokens }) => tokens))).toEqual(texts.map(({ tokens }) => tokens));
    for (const [i, { scores }] of texts.entries()) {
      for (const [j, score] of (scores ?? []).entries()) {
        expect(Math.abs(found[i]![j]!.score! - score), `prompt ${i}, text ${j}`).toBeLessThan(
          1e-4 * (1 + Math.abs(score)),
        );
      }
    }
  });
});
