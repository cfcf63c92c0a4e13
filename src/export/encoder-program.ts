/** @file What files of encoders compute: hidden states, scores of masked words, scores of classes. */

import type { ClassificationModel, Encoder, EncoderInputs, PretrainingModel } from "../models/model.ts";
import type { ForwardContext } from "../nn/module.ts";
import { add, iota, mul, zeros } from "../tensor/elementwise.ts";
import { argMax } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tensors } from "../tensor/trace.ts";
import type { NodeBuilder } from "./node-builder.ts";
import type { DerivedInput, FileInput, FileProgram, SizeOf } from "./program.ts";

/** How a family counts its places. */
export interface PlaceCounting {
  /** Id of the tokens that count for nothing, where places are counted over the others (RoBERTa); else undefined. */
  readonly skippedId: number | undefined;
}

const ROW = ["batch_size", "sequence_length"] as const;
const integers: FileInput = { dtype: "i64", dims: ROW };

/** The number of tokens up to a place, those with one id not counted, less 1; −1 at those themselves. */
function countedPlaces(skippedId: number): DerivedInput {
  return {
    dims: ROW,
    compute: (builder: NodeBuilder) => {
      const skipped = builder.op("Equal", [
        "input_ids",
        builder.constant("i64", [], BigInt64Array.of(BigInt(skippedId))),
      ]);
      const counts = builder.cast(builder.op("Not", [skipped]), "i32");
      const axis = builder.number("i32", 1);
      const upTo = builder.op("Mul", [builder.op("CumSum", [counts, axis]), counts]);
      return builder.op("Sub", [upTo, axis]);
    },
  };
}

/** Inputs of a file that reads whole texts. */
function textInputs(encoder: Encoder, { skippedId }: PlaceCounting): Pick<FileProgram, "inputs" | "derived"> {
  return {
    inputs: {
      input_ids: integers,
      attention_mask: integers,
      ...(encoder.typeVocabSize > 1 ? { token_type_ids: integers } : {}),
    },
    ...(skippedId === undefined ? {} : { derived: { places: countedPlaces(skippedId) } }),
  };
}

function encoderInputs(symbols: Tensors): EncoderInputs {
  const { input_ids: inputIds, attention_mask: mask, token_type_ids: types, places } = symbols;
  const shape = inputIds!.shape;
  return {
    inputIds: inputIds!,
    sequenceIds: mask!,
    positionIds: places ?? iota(shape, 1),
    tokenTypeIds: types ?? zeros(shape, "i32"),
  };
}

/** `last_hidden_state [B, S, H]`. */
export function hiddenStatesProgram(encoder: Encoder, places: PlaceCounting): FileProgram {
  return {
    name: "feature-extraction",
    ...textInputs(encoder, places),
    run: (context, symbols) => ({
      last_hidden_state: encoder.encode(context, encoderInputs(symbols)).lastHiddenState,
    }),
  };
}

/** `logits [B, S, V]` of the word at each place. */
export function maskedWordsProgram(model: PretrainingModel, places: PlaceCounting): FileProgram {
  return {
    name: "fill-mask",
    ...textInputs(model.encoder, places),
    run: (context, symbols) => {
      const { lastHiddenState } = model.encoder.encode(context, encoderInputs(symbols));
      return { logits: model.maskedLmLogits!(context, lastHiddenState) };
    },
  };
}

/** Where each text is summed up: i32 `[B]`, row · S + token. */
function pooledPlaces(encoder: Encoder, mask: Tensor, size: SizeOf): Tensor {
  const [rows, width] = [size("batch_size"), size("sequence_length")];
  const starts = mul(iota([rows], 0), width);
  if (encoder.pooledToken === "first") return starts;
  // The last place that the mask does not leave out.
  return add(starts, argMax(mul(iota([rows, width], 1), mask), 1));
}

/** `logits [B, labels]`. */
export function classesProgram(model: ClassificationModel, places: PlaceCounting): FileProgram {
  const { encoder } = model;
  return {
    name: "text-classification",
    ...textInputs(encoder, places),
    run: (context: ForwardContext, symbols, size) => {
      const inputs = encoderInputs(symbols);
      const tokens = encoder.encodeAt(context, inputs, pooledPlaces(encoder, inputs.sequenceIds, size));
      return { logits: model.classificationLogits(context, encoder.pool(context, tokens)) };
    },
  };
}
