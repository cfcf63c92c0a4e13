/** @file What files of models that look left compute: scores of the next word, with the keys and values of what was read. */
import type { EncoderInputs, PretrainingModel } from "../models/model.ts";
import { add, full, iota, zeros } from "../tensor/elementwise.ts";
import { sliceAxis } from "../tensor/movement.ts";
import { CachePorts, cacheInputs, findHeadShape } from "./cache.ts";
import type { FileInput, FileProgram, ProgramParameters } from "./program.ts";

const TOTAL = "past_sequence_length + sequence_length";
const PAST = "past_sequence_length";
const ROW: FileInput = { dtype: "i64", dims: ["batch_size", "sequence_length"] };
export const totalLength = { [TOTAL]: [PAST, "sequence_length"] } as const;

/** One token in one row, for looking at what a network does with it. */
function singleToken(): EncoderInputs {
  const one = full([1, 1], 1, "i32");
  const none = zeros([1, 1], "i32");
  return { inputIds: none, sequenceIds: one, positionIds: none, tokenTypeIds: none };
}

/**
 * `logits [B, S, V]` and `present.N.key`, `present.N.value` `[B, heads, P + S, D]` of tokens that follow P others, none in
 * a first step. The mask says which of all tokens there are.
 */
export function nextWordProgram(model: PretrainingModel, { parameters }: ProgramParameters): FileProgram {
  const { encoder } = model;
  const { numHiddenLayers } = encoder;
  const layers = Array.from({ length: numHiddenLayers }, (_, layer) => layer);
  const heads = findHeadShape(parameters, (context, cache) => {
    const past = { tokens: undefined, caches: layers.map(() => cache) };
    return encoder.encode(context, singleToken(), past).lastHiddenState;
  });
  return {
    name: "text-generation",
    inputs: {
      input_ids: ROW,
      attention_mask: { dtype: "i64", dims: ["batch_size", TOTAL] },
      position_ids: ROW,
      ...cacheInputs(numHiddenLayers, { "": PAST }, heads),
    },
    sums: totalLength,
    run: (context, symbols, size) => {
      const { input_ids: inputIds, attention_mask: mask, position_ids: positionIds } = symbols;
      const [rows, past, all] = [size("batch_size"), size(PAST), size(TOTAL)];
      const ports = new CachePorts(symbols);
      const inputs: EncoderInputs = {
        inputIds: inputIds!,
        positionIds: positionIds!,
        sequenceIds: sliceAxis(mask!, 1, past, all),
        tokenTypeIds: zeros(inputIds!.shape, "i32"),
        attentionRanks: add(iota(inputIds!.shape, 1), past),
      };
      const { lastHiddenState } = encoder.encode(context, inputs, {
        tokens: { sequenceIds: sliceAxis(mask!, 1, 0, past), attentionRanks: iota([rows, past], 1) },
        caches: layers.map((layer) => ports.layer(layer, "")),
      });
      return { logits: model.causalLmLogits!(context, lastHiddenState), ...ports.outputs };
    },
  };
}

const SOURCE = "encoder_sequence_length";

/** The encoder of an encoder–decoder: `last_hidden_state [B, E, H]`. */
export function sourceProgram({ encoder }: PretrainingModel): FileProgram {
  const integers: FileInput = { dtype: "i64", dims: ["batch_size", SOURCE] };
  return {
    name: "encoder",
    inputs: { input_ids: integers, attention_mask: integers },
    run: (context, { input_ids: inputIds, attention_mask: mask }) => {
      const { shape } = inputIds!;
      const inputs = {
        inputIds: inputIds!,
        sequenceIds: mask!,
        positionIds: iota(shape, 1),
        tokenTypeIds: zeros(shape, "i32"),
      };
      return { last_hidden_state: encoder.encode(context, inputs).lastHiddenState };
    },
  };
}

/**
 * The decoder of an encoder–decoder: `logits [B, S, V]` and `present.N.decoder.key …`. The first step computes the keys and
 * values of the source, `present.N.encoder.key …`; further steps take them, and the decoder's own.
 */
export function targetProgram(
  model: PretrainingModel,
  { parameters }: ProgramParameters,
  isFirst: boolean,
): FileProgram {
  const decoder = model.decoder!;
  const { hiddenSize } = model.encoder;
  const layers = Array.from({ length: decoder.numHiddenLayers }, (_, layer) => layer);
  const heads = findHeadShape(parameters, (context, cache) => {
    const source = { states: zeros([1, 1, hiddenSize]), sequenceIds: full([1, 1], 1, "i32") };
    const past = { tokens: undefined, caches: layers.map(() => cache) };
    return decoder.decode(context, singleToken(), source, past).lastHiddenState;
  });
  return {
    name: isFirst ? "decoder" : "decoder_with_past",
    inputs: {
      encoder_attention_mask: { dtype: "i64", dims: ["batch_size", SOURCE] },
      input_ids: ROW,
      encoder_hidden_states: { dtype: "f32", dims: ["batch_size", SOURCE, hiddenSize] },
      ...(isFirst ? {} : cacheInputs(layers.length, { "decoder.": PAST, "encoder.": SOURCE }, heads)),
    },
    sums: isFirst ? {} : totalLength,
    run: (context, symbols, size) => {
      const { input_ids: inputIds, encoder_attention_mask: mask, encoder_hidden_states: states } = symbols;
      const { shape } = inputIds!;
      const rows = size("batch_size");
      const past = isFirst ? 0 : size(PAST);
      const ports = new CachePorts(symbols);
      const places = isFirst ? iota(shape, 1) : add(iota(shape, 1), past);
      const inputs = {
        inputIds: inputIds!,
        sequenceIds: full(shape, 1, "i32"),
        positionIds: places,
        tokenTypeIds: zeros(shape, "i32"),
      };
      const { lastHiddenState } = decoder.decode(
        context,
        inputs,
        { states: isFirst ? states! : undefined, sequenceIds: mask! },
        {
          tokens: isFirst
            ? undefined
            : { sequenceIds: full([rows, past], 1, "i32"), attentionRanks: iota([rows, past], 1) },
          caches: layers.map((layer) => ports.layer(layer, "decoder.")),
        },
      );
      return { logits: model.causalLmLogits!(context, lastHiddenState), ...ports.outputs };
    },
  };
}
