import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EntityScore, entityReport, tagAccuracy } from "./entity-report.ts";
import { areEntityTags, convertTags, entitiesOf, strictEntitiesOf, type TagScheme, tagsOf } from "./tag-scheme.ts";

interface Case {
  readonly truth: string[][];
  readonly predicted: string[][];
  readonly scheme: TagScheme | null;
  readonly entities: [string, number, number][][];
  readonly micro: number[] | null;
  readonly macro: (number | "NaN")[] | null;
  readonly weighted: number[] | null;
  readonly accuracy: number | null;
}
const file = new URL("../../tests/fixtures/entity_metrics.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { readonly cases: readonly Case[] };

const list = ({ precision, recall, f1, support }: EntityScore) => [precision, recall, f1, support];

describe("figures equal seqeval's (bug: faulty tags mended otherwise, a type counted twice, 0/0)", () => {
  test.each([null, "IOB1", "IOB2", "BIOES"] as const)("scheme %s", (scheme) => {
    const own = cases.filter((item) => item.scheme === scheme);
    expect(own.length).toBeGreaterThan(20);
    for (const item of own) {
      const find = (tags: readonly string[]) => (scheme === null ? entitiesOf(tags) : strictEntitiesOf(tags, scheme));
      const entities = item.predicted.map((tags) => find(tags).map(({ type, start, end }) => [type, start, end]));
      expect(entities, JSON.stringify(item.predicted)).toEqual(item.entities);
      const report = entityReport(item.truth, item.predicted, scheme ?? undefined);
      for (const average of ["micro", "macro", "weighted"] as const) {
        const expected: readonly (number | "NaN")[] = item[average] ?? [0, 0, 0, 0];
        list(report[average]).forEach((value, i) => {
          // seqeval's mean over no type is NaN; ours is 0.
          expect(value, `${average} ${i} of ${JSON.stringify(item)}`).toBeCloseTo(
            expected[i] === "NaN" ? 0 : expected[i]!,
            12,
          );
        });
      }
      if (item.accuracy !== null) expect(tagAccuracy(item.truth, item.predicted)).toBeCloseTo(item.accuracy, 12);
    }
  });
});

const scheme = fc.constantFrom<TagScheme>("IOB1", "IOB2", "BIOES");
const anyTags = fc.array(fc.constantFrom("O", "B-x", "I-x", "E-x", "S-x", "B-y", "I-y", "E-y"), { maxLength: 8 });

describe("conversion", () => {
  test("keeps the entities, is well formed, and well-formed tags stay as they are", () => {
    fc.assert(
      fc.property(anyTags, scheme, scheme, (tags, to, then) => {
        const entities = entitiesOf(tags);
        const converted = convertTags(tags, to);
        expect(entitiesOf(converted)).toEqual(entities);
        expect(strictEntitiesOf(converted, to)).toEqual(entities);
        expect(convertTags(convertTags(converted, then), to)).toEqual(converted);
      }),
    );
  });

  test("the usual sentence in all three", () => {
    const entities = [
      { type: "PER", start: 0, end: 2 },
      { type: "PER", start: 2, end: 3 },
      { type: "LOC", start: 4, end: 5 },
    ];
    expect(tagsOf(entities, 5, "IOB1")).toEqual(["I-PER", "I-PER", "B-PER", "O", "I-LOC"]);
    expect(tagsOf(entities, 5, "IOB2")).toEqual(["B-PER", "I-PER", "B-PER", "O", "B-LOC"]);
    expect(tagsOf(entities, 5, "BIOES")).toEqual(["B-PER", "E-PER", "S-PER", "O", "S-LOC"]);
  });

  test("what tags cannot say is refused", () => {
    const x = { type: "x", start: 0, end: 2 };
    expect(() => tagsOf([x, { ...x, start: 1, end: 3 }], 3, "IOB2")).toThrow("begins inside x [0, 2)");
    expect(() => tagsOf([x], 1, "IOB2")).toThrow("must lie within the 1 words");
    expect(() => strictEntitiesOf(["E-x"], "IOB2")).toThrow('in IOB2; got "E-x"');
    expect(() => entityReport([["O"]], [[]])).toThrow("tags of sentence 0");
    expect(() => tagAccuracy([["O"]], [[]])).toThrow("tags of sentence 0");
    expect([areEntityTags(["O", "B-x"]), areEntityTags(["O"]), areEntityTags(["NOUN", "O"])]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test("a type stands behind the first hyphen, as in seqeval (bug: NN-X as type N-X)", () => {
    const tags = ["NN-PER", "B-A-B", "Bx", "I", "O"];
    expect(entitiesOf(tags).map(({ type }) => type)).toEqual(["PER", "A-B", "x", "_"]);
  });
});
