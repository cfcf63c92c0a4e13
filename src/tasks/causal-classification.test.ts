import { expect, test } from "vitest";
import { forwardNumbers } from "../../tests/support/causal-parity.ts";
import { randomWeights } from "../../tests/support/random-model.ts";
import { tinyTokenizer } from "../../tests/support/tiny-run.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { Random } from "../base/random.ts";
import { gptFraming } from "../models/framing.ts";
import { gpt2Config } from "../models/gpt2/config.ts";
import { gpt2Family } from "../models/gpt2/family.ts";
import { frameOf } from "../objectives/frame.ts";
import { textBatch } from "./classification-batch.ts";
import type { EncodedText } from "./encode-text.ts";
import { classificationLogits } from "./text-classification.ts";

test("GPT's classes are read at each text's last token, packed or not, of pairs too (bug: the first token, which has seen nothing)", async () => {
  const sizes = { hiddenSize: 16, numHiddenLayers: 2, numAttentionHeads: 2, maxPositionEmbeddings: 16 };
  const config = gpt2Config({ vocabSize: tinyTokenizer.vocabSize, ...sizes });
  const module = gpt2Family.classification(config, 3);
  const loaded = { module, weights: randomWeights(module) };
  const frame = frameOf(gptFraming, tinyTokenizer, "test");
  const random = new Random(4);
  const words = (count: number) => Int32Array.from({ length: count }, () => 5 + random.nextInt(19));
  const texts: EncodedText[] = [[words(3)], [words(2), words(3)], [words(5)], [words(1), words(1)]].map((parts) => ({
    ...frame.join(parts),
    truncated: false,
  }));
  const backend = createReferenceBackend();
  const score = async (own: readonly EncodedText[], packed: boolean) => {
    const batch = textBatch(own, { maxSeqLength: 16, padId: tinyTokenizer.special.pad, packed });
    const results = await forwardNumbers(backend, loaded, batch, (context, symbols) => ({
      logits: classificationLogits(module, context, symbols),
    }));
    return [...results.logits!.subarray(0, own.length * 3)];
  };
  const packed = await score(texts, true);
  const alone = await Promise.all(texts.map((text) => score([text], false)));
  packed.forEach((logit, i) => {
    expect(logit).toBeCloseTo(alone.flat()[i]!, 5);
  });
  // Every token of a text counts, its last word included.
  for (const [i, text] of texts.entries()) {
    for (let place = 0; place < text.tokens.length; place++) {
      const tokens = text.tokens.slice();
      tokens[place] = 5 + ((tokens[place]! + 3) % 19);
      const changed = await score([{ ...text, tokens }], false);
      expect(Math.max(...changed.map((logit, k) => Math.abs(logit - alone[i]![k]!))), `${i}/${place}`).toBeGreaterThan(
        1e-4,
      );
    }
  }
  await backend.dispose();
});
