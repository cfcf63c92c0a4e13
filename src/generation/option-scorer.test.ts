import { afterAll, describe, expect, test } from "vitest";
import { createOnnxBackend } from "../backend/onnx/onnx-backend.ts";
import { evaluateGraph } from "../backend/reference/evaluate.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { Random } from "../base/random.ts";
import { tensorType } from "../ir/shape.ts";
import { blockAttention } from "../nn/block-attention.ts";
import { decompose } from "../tensor/decompose/decompose.ts";
import { broadcastTo } from "../tensor/elementwise.ts";
import { expandDims, reshape } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { trace } from "../tensor/trace.ts";
import { FixedWeights } from "../train/fixed-weights.ts";
import { writingNetwork } from "./network.ts";
import type { QuestionText } from "./option-group.ts";
import { OptionScorer } from "./option-scorer.ts";
import { MASK, START, testModel, VOCAB } from "./testing.ts";
import { TokenScorer } from "./token-scorer.ts";

const backends = [createReferenceBackend(), await createOnnxBackend({ threads: 1 })];
afterAll(async () => {
  for (const backend of backends) await backend.dispose();
});

const random = new Random(8, "options");
const ids = (length: number): number[] => Array.from({ length }, () => 5 + random.nextInt(VOCAB - 5));
const none = new Int32Array();

/** Options behind contexts that begin alike; `starts` moves the first scored token to the left, as where pieces merge. */
function questions(
  prefix: number,
  contexts: readonly number[],
  options: readonly (readonly number[])[],
): QuestionText[] {
  const first = ids(prefix);
  return contexts.flatMap((length, question) => {
    const context = [...first, ...ids(length)];
    return options[question % options.length]!.map((count, i) => {
      // Now and then an option's tokens begin inside what the context alone would be.
      const shift = (question + i) % 3 === 0 && length > 2 ? 1 : 0;
      const kept = context.slice(0, context.length - shift);
      return { question, source: none, tokens: Int32Array.of(...kept, ...ids(count)), start: kept.length };
    });
  });
}

const sets: readonly (readonly [string, QuestionText[]])[] = [
  ["examples before all of them, options of one token", questions(30, [4, 9, 1, 6, 2], [[1, 1, 1]])],
  [
    "examples before all of them, options of any length and number",
    questions(21, [5, 3, 8, 4], [[2, 5], [1, 3, 1, 4], [6]]),
  ],
  [
    "nothing in common",
    questions(
      0,
      [7, 12, 5],
      [
        [1, 3],
        [2, 2, 2],
      ],
    ),
  ],
  ["a beginning too short to pay", questions(6, [7, 2, 5], [[1, 3]])],
  ["one question", questions(40, [3], [[1, 4, 2]])],
  [
    "equal questions",
    [...questions(25, [0], [[2, 3]]), ...questions(0, [25], [[1, 2]]).map((text) => ({ ...text, question: 1 }))],
  ],
  ["none", []],
];

/** Questions whose sources an encoder reads. */
function sources(lengths: readonly number[], options: readonly (readonly number[])[]): QuestionText[] {
  return lengths.flatMap((length, question) => {
    const source = Int32Array.from(ids(length));
    return options[question % options.length]!.map((count) => {
      return { question, source, tokens: Int32Array.of(START, ...ids(count)), start: 1 };
    });
  });
}

const sourceSets: readonly (readonly [string, QuestionText[]])[] = [
  [
    "sources of any length",
    sources(
      [7, 2, 12, 5],
      [
        [3, 1],
        [2, 4, 6],
      ],
    ),
  ],
  ["options of one token", sources([4, 4], [[1, 1]])],
];

function worst(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  let difference = 0;
  expect(a.map(({ length }) => length)).toEqual(b.map(({ length }) => length));
  a.forEach((scores, i) => {
    scores.forEach((x, at) => {
      difference = Math.max(difference, Math.abs(x - b[i]![at]!) / Math.max(1, Math.abs(b[i]![at]!)));
    });
  });
  return difference;
}

describe.each([
  ["gpt", sets],
  ["bart", sourceSets],
] as const)("%s", (kind, cases) => {
  test.each(cases)(
    "%s: the scores of the plain way (bugs: a place, a rank or a row beside the right one)",
    async (_, texts) => {
      const { model, weights } = testModel(kind);
      const network = writingNetwork(model);
      for (const backend of backends) {
        const store = new FixedWeights(backend, model, weights);
        const options = { backend, store, network, policy: { compute: "f32" } as const, padId: 0, batchSize: 3 };
        const plain = new TokenScorer(options);
        const expected = await plain.score(texts);
        const found = await new OptionScorer(options).score(texts);
        expect(worst(found, expected)).toBeLessThan(1e-5);
        await plain.dispose();
        store.dispose();
      }
    },
  );
});

test("examples are read once, and a question once for all options (bug: the plain way under another name)", async () => {
  const { model, weights } = testModel("gpt");
  const network = writingNetwork(model);
  const [reference] = backends;
  const store = new FixedWeights(reference!, model, weights);
  let tokens = 0;
  const counted: typeof network = {
    ...network,
    scores: (context, inputs, view) => {
      tokens += inputs.inputIds.dim(0) * inputs.inputIds.dim(1);
      return network.scores(context, inputs, view);
    },
  };
  const options = { backend: reference!, store, network: counted, policy: { compute: "f32" } as const, padId: 0 };
  const texts = questions(40, [4, 4, 4, 4], [[1, 1, 1]]);
  await new OptionScorer({ ...options, batchSize: 4 }).score(texts);
  // 40 tokens of examples and perhaps one more, a row for each question, and one token of each option; the plain way reads
  // 12 rows of 44.
  expect(tokens).toBeLessThanOrEqual(41 + 4 * 8 + 12);
  store.dispose();
});

test("masks have no likelihood of texts", () => {
  const { model, weights } = testModel("unilm");
  const store = new FixedWeights(backends[0]!, model, weights);
  const network = writingNetwork(model, { maskId: MASK });
  const options = {
    backend: backends[0]!,
    store,
    network,
    policy: { compute: "f32" } as const,
    padId: 0,
    batchSize: 1,
  };
  expect(() => new OptionScorer(options)).toThrow(expect.objectContaining({ code: "MODEL_CANNOT_SCORE" }));
  store.dispose();
});

test("a block of fewer rows is that of neighbouring rows of queries (bug: rows dealt out in turn)", () => {
  const [rows, length, heads, size] = [6, 3, 2, 4];
  const shapes = { query: [rows, length, heads, size], whole: [1, 5, heads, size], half: [2, 4, heads, size] };
  const types = Object.fromEntries(
    ["query", "wholeKey", "wholeValue", "halfKey", "halfValue", "ownKey", "ownValue"].map((name) => {
      const shape =
        name === "query" || name.startsWith("own")
          ? shapes.query
          : name.startsWith("whole")
            ? shapes.whole
            : shapes.half;
      return [name, tensorType("f32", shape)] as const;
    }),
  );
  const graph = trace("blocks", types, (symbols) => {
    const { query, wholeKey, wholeValue, halfKey, halfValue, ownKey, ownValue } = symbols as Record<string, Tensor>;
    const repeated = (x: Tensor): Tensor => {
      const [few, ...rest] = x.shape as [number, ...number[]];
      return reshape(broadcastTo(expandDims(x, 1), [few, rows / few, ...rest]), [rows, ...rest]);
    };
    const shared = [
      { key: wholeKey!, value: wholeValue! },
      { key: halfKey!, value: halfValue! },
    ];
    const own = { key: ownKey!, value: ownValue! };
    return {
      shared: blockAttention(query!, [...shared, own], undefined),
      plain: blockAttention(
        query!,
        [...shared.map(({ key, value }) => ({ key: repeated(key), value: repeated(value) })), own],
        undefined,
      ),
    };
  });
  const plain = decompose(graph);
  const given = plain.inputs.map(({ value: { shape } }) => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    return { dtype: "f32" as const, shape, data: Float32Array.from({ length: count }, () => random.nextNormal()) };
  });
  const [shared, repeated] = evaluateGraph(plain, given);
  expect(shared!.data.length).toBe(rows * length * heads * size);
  [...(shared!.data as Float32Array)].forEach((x, i) => {
    expect(x).toBeCloseTo((repeated!.data as Float32Array)[i]!, 6);
  });
});
