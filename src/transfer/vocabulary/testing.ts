/** @file Tiny models with tokenizers, and what they say, for tests of vocabularies. */
import type { Backend } from "../../backend/backend.ts";
import type { Batch } from "../../data/batch.ts";
import { randomNumbers, tinyConfig, tinySettings } from "../../models/adapter/testing.ts";
import { familyNamed } from "../../models/families.ts";
import type { EncoderInputs, PretrainingModel } from "../../models/model.ts";
import { reshape } from "../../tensor/movement.ts";
import { Bpe } from "../../tokenizers/bpe.ts";
import type { Tokenizer } from "../../tokenizers/tokenizer.ts";
import { WordPiece } from "../../tokenizers/wordpiece.ts";
import { BatchProgram } from "../../train/batch-program.ts";
import { traceForward } from "../../train/forward-graph.ts";
import { ModelStore } from "../../train/model-store.ts";
import type { VocabularyModel } from "./model.ts";

export { tinyConfig };

/** Whole words and a few parts of words. */
export function wordTokenizer(): WordPiece {
  const words = ["good", "bad", "film", "plot", "the", "a", "pro", "##moter", "##s", "gene", "un", "##able", "able"];
  return WordPiece.fromVocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", ...words]);
}

/** Byte-level pieces with RoBERTa's special tokens: all bytes, and the words "good" and "film" behind a space. */
export function byteTokenizer(): Bpe {
  const merges = [
    ["g", "o"],
    ["o", "d"],
    ["go", "od"],
    ["Ġ", "good"],
    ["f", "i"],
    ["l", "m"],
    ["fi", "lm"],
    ["Ġ", "film"],
  ] as const;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const plain = bytes.filter((byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173));
  const others = bytes.filter((byte) => !plain.includes(byte));
  const alphabet = [
    ...plain.map((byte) => String.fromCharCode(byte)),
    ...others.map((_, i) => String.fromCharCode(256 + i)),
  ];
  const specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];
  const tokens = [...specials, ...alphabet, ...merges.map(([left, right]) => left + right)];
  return Bpe.fromVocabulary(tokens, merges, {
    byteLevel: true,
    ...{ unkToken: "<unk>", padToken: "<pad>", clsToken: "<s>", sepToken: "</s>" },
    ...{ maskToken: "<mask>", bosToken: "<s>", eosToken: "</s>" },
  });
}

/** A model of a family with random numbers, for a tokenizer; 16 places. */
export function tinyModel(name: string, tokenizer: Tokenizer, spareRows = 0): VocabularyModel<PretrainingModel> {
  const family = familyNamed(name);
  const sizes = { hiddenSize: 12, numHiddenLayers: 2, numAttentionHeads: 3 };
  const dropout = { hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 };
  const settings = { ...sizes, ...dropout, ...tinySettings[name], maxPositionEmbeddings: name === "roberta" ? 18 : 16 };
  const vocabSize = tokenizer.vocabSize + spareRows;
  const config = family.configure({ ...settings, vocabSize }, { vocabSize, special: tokenizer.special });
  const module = family.pretraining(config);
  return { family, config, module, weights: randomNumbers(module), tokenizer };
}

/** Scores over the vocabulary at every place of one sequence, `[ids.length × vocabSize]`. */
export async function vocabularyLogits(
  backend: Backend,
  { module, weights }: Pick<VocabularyModel<PretrainingModel>, "module" | "weights">,
  ids: readonly number[],
): Promise<Float32Array> {
  const width = ids.length;
  const i32 = (data: readonly number[]) => ({ dtype: "i32" as const, shape: [1, width], data: Int32Array.from(data) });
  const tensors = {
    inputIds: i32(ids),
    sequenceIds: i32(ids.map(() => 1)),
    positionIds: i32(ids.map((_, i) => i)),
    tokenTypeIds: i32(ids.map(() => 0)),
  };
  const batch: Batch = { tensors, counts: {}, numSequences: 1, numTokens: width, numPlaces: width };
  const store = new ModelStore(backend, module, ["value"]);
  store.write("value", weights);
  const program = new BatchProgram({
    backend,
    store,
    trace: (given) =>
      traceForward(store.parameters, given, { compute: "f32" }, (context, symbols) => {
        const inputs = symbols as unknown as EncoderInputs;
        const { encoder, decoder } = module;
        const { lastHiddenState: states } = encoder.encode(context, inputs);
        const { sequenceIds } = inputs;
        const hidden = decoder?.decode(context, inputs, { states, sequenceIds }).lastHiddenState ?? states;
        const flat = reshape(hidden, [width, -1]);
        const logits = module.maskedLmLogits?.(context, flat) ?? module.causalLmLogits!(context, flat);
        return { logits };
      }),
  });
  try {
    return (await program.run(batch)).logits as Float32Array;
  } finally {
    await program.dispose();
    store.dispose();
  }
}
