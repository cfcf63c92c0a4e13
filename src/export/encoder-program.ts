/** @file What files of encoders compute: hidden states, scores of masked words, of classes, of words, of answers, of options. */
import type { ClassificationModel, Encoder, EncoderInputs, PretrainingModel, TokenModel } from "../models/model.ts";
import type { ForwardContext } from "../nn/module.ts";
import { add, iota, mul, zeros } from "../tensor/elementwise.ts";
import { reshape, sliceAxis } from "../tensor/movement.ts";
import { argMax } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tensors } from "../tensor/trace.ts";
import type { NodeBuilder } from "./node-builder.ts";
import type { DerivedInput, FileInput, FileProgram } from "./program.ts";

/** How a family counts its places. */
export interface PlaceCounting {
  /** Id of the tokens that count for nothing, where places are counted over the others (RoBERTa); else undefined. */
  readonly skippedId: number | undefined;
}

/** Open dimensions of the token ids, the last one along a text. */
type TextDims = readonly string[];

const ROWS: TextDims = ["batch_size", "sequence_length"];
/** Options of questions lie in a row of rows. */
const OPTIONS: TextDims = ["batch_size", "num_choices", "sequence_length"];

/** The number of tokens up to a place, those with one id not counted, less 1; −1 at those themselves. */
function countedPlaces(skippedId: number, dims: TextDims): DerivedInput {
  return {
    dims,
    compute: (builder: NodeBuilder) => {
      const skipped = builder.op("Equal", [
        "input_ids",
        builder.constant("i64", [], BigInt64Array.of(BigInt(skippedId))),
      ]);
      const counts = builder.cast(builder.op("Not", [skipped]), "i32");
      const axis = builder.number("i32", dims.length - 1);
      const upTo = builder.op("Mul", [builder.op("CumSum", [counts, axis]), counts]);
      return builder.op("Sub", [upTo, builder.number("i32", 1)]);
    },
  };
}

/** Inputs of a file that reads whole texts. */
function textInputs(
  encoder: Encoder,
  { skippedId }: PlaceCounting,
  dims: TextDims = ROWS,
): Pick<FileProgram, "inputs" | "derived"> {
  const integers: FileInput = { dtype: "i64", dims };
  return {
    inputs: {
      input_ids: integers,
      attention_mask: integers,
      ...(encoder.typeVocabSize > 1 ? { token_type_ids: integers } : {}),
    },
    ...(skippedId === undefined ? {} : { derived: { places: countedPlaces(skippedId, dims) } }),
  };
}

/** Inputs as rows of texts, whatever they lie in. */
function encoderInputs(symbols: Tensors): EncoderInputs {
  const rows = (x: Tensor | undefined): Tensor | undefined =>
    x && reshape(x, [x.shape.slice(0, -1).reduce((product, size) => product * size, 1), x.dim(-1)]);
  const { input_ids: ids, attention_mask: given, token_type_ids: kinds, places: counted } = symbols;
  const [inputIds, mask, types, places] = [ids, given, kinds, counted].map(rows);
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

/** Scores of texts, each at the token where it is summed up (row · S + token): `[rows, labels]`. */
function textScores(model: ClassificationModel, context: ForwardContext, inputs: EncoderInputs): Tensor {
  const { encoder } = model;
  const tokens = encoder.encodeAt(context, inputs, pooledPlaces(encoder, inputs.sequenceIds));
  return model.classificationLogits(context, encoder.pool(context, tokens));
}

/** Where each text is summed up: i32 `[rows]`, row · S + token. */
function pooledPlaces(encoder: Encoder, mask: Tensor): Tensor {
  const [rows, width] = mask.shape as [number, number];
  const starts = mul(iota([rows], 0), width);
  if (encoder.pooledToken === "first") return starts;
  // The last place that the mask does not leave out.
  return add(starts, argMax(mul(iota([rows, width], 1), mask), 1));
}

/** `logits [B, labels]`. */
export function classesProgram(model: ClassificationModel, places: PlaceCounting): FileProgram {
  return {
    name: "text-classification",
    ...textInputs(model.encoder, places),
    run: (context, symbols) => ({ logits: textScores(model, context, encoderInputs(symbols)) }),
  };
}

/** `logits [B, options]` of questions with options, each a text of its own. */
export function optionsProgram(model: ClassificationModel, places: PlaceCounting): FileProgram {
  return {
    name: "multiple-choice",
    ...textInputs(model.encoder, places, OPTIONS),
    run: (context, symbols, size) => {
      const scores = textScores(model, context, encoderInputs(symbols));
      return { logits: reshape(scores, [size("batch_size"), size("num_choices")]) };
    },
  };
}

/**
 * `logits [B, S, labels]` of every token. Where tags are those of the best path, the scores that decide on it go along:
 * `transitions [labels, labels]` of a tag (row) before another (column), `start_transitions [labels]` of a sentence's first
 * tag and `end_transitions [labels]` of its last.
 */
export function wordClassesProgram(model: TokenModel, places: PlaceCounting): FileProgram {
  return {
    name: "token-classification",
    ...textInputs(model.encoder, places),
    run: (context, symbols) => {
      const { lastHiddenState } = model.encoder.encode(context, encoderInputs(symbols));
      const { crf } = model;
      return {
        logits: model.tokenLogits(context, lastHiddenState),
        ...(crf && {
          transitions: context.parameter(crf.transitions),
          start_transitions: context.parameter(crf.startTransitions),
          end_transitions: context.parameter(crf.endTransitions),
        }),
      };
    },
  };
}

/** `start_logits` and `end_logits [B, S]`: how well an answer begins and ends at every token. */
export function answersProgram(model: TokenModel, places: PlaceCounting): FileProgram {
  return {
    name: "question-answering",
    ...textInputs(model.encoder, places),
    run: (context, symbols) => {
      const { lastHiddenState } = model.encoder.encode(context, encoderInputs(symbols));
      const logits = model.tokenLogits(context, lastHiddenState);
      const end = (which: number): Tensor => reshape(sliceAxis(logits, 2, which, which + 1), logits.shape.slice(0, 2));
      return { start_logits: end(0), end_logits: end(1) };
    },
  };
}
