import { describe, expect, test } from "vitest";
import { newestTables, pairsOf, type TrainingTable } from "../../bench/peers/training-records.mjs";

const side = (id: string) => ({ id, ours: id < "a" });
const table = (name: string, ids: string, time?: string): TrainingTable => ({
  work: { name },
  date: "2026-01-01",
  ...(time === undefined ? {} : { time }),
  sides: [...ids].map(side),
});
/** Which pairs are shown, with the time of their table. Sides of ours are capital letters. */
const shown = (tables: readonly TrainingTable[]) =>
  tables.flatMap((one) => pairsOf(one).map((pair) => `${one.work.name} ${pair.join("")} ${one.time ?? "–"}`));

describe("records of the pre-training comparison", () => {
  test("other peers for the same work leave an earlier run's figures (would catch one record a work)", () => {
    const both = newestTables([table("w", "Ap", "10:00"), table("w", "Aq", "11:00"), table("v", "Ap", "09:00")]);
    expect(shown(both)).toEqual(["w Ap 10:00", "w Aq 11:00", "v Ap 09:00"]);
  });

  test("of the same pair the newest stays, whatever the order (would catch the last read winning)", () => {
    expect(shown(newestTables([table("w", "Ap", "11:00"), table("w", "Ap", "10:00")]))).toEqual(["w Ap 11:00"]);
    // Records that do not say their time are the older ones; among them the later counts.
    expect(shown(newestTables([table("w", "Ap"), table("w", "Ap", "00:01")]))).toEqual(["w Ap 00:01"]);
    const [kept] = newestTables([table("w", "Ap"), { ...table("w", "Ap"), date: "2026-01-01", pairs: [["A", "p"]] }]);
    expect(kept!.pairs).toEqual([["A", "p"]]);
  });

  test("a table loses only the pairs that were measured anew (would catch the others going, or being shown twice)", () => {
    const left = newestTables([table("w", "ABpq", "10:00"), table("w", "Ap", "11:00")]);
    expect(shown(left)).toEqual(["w Aq 10:00", "w Bp 10:00", "w Bq 10:00", "w Ap 11:00"]);
    const less = newestTables([...left, table("w", "Aq", "12:00")]);
    expect(less[0]!.sides.map(({ id }) => id)).toEqual(["B", "p", "q"]);
  });

  test("a side that could not run takes nothing away (would catch a failed run that drops figures)", () => {
    const failed = { ...table("w", "A", "11:00"), sides: [side("A"), { ...side("p"), absent: "not installed" }] };
    expect(shown(newestTables([table("w", "Ap", "10:00"), failed]))).toEqual(["w Ap 10:00"]);
  });

  test("earlier files, with several tables a record, are read (would catch figures lost to the new form)", () => {
    const { sides, ...rest } = table("w", "Ap");
    expect(shown(newestTables([{ ...rest, groups: [[...sides], [side("B"), side("q")]] }]))).toEqual([
      "w Ap –",
      "w Bq –",
    ]);
  });
});
