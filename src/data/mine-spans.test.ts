import { describe, expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { CountTable } from "./count-table.ts";
import { mineSpans } from "./mine-spans.ts";
import { textDocuments } from "./source.ts";

const repeat = (count: number, sentence: (i: number) => string) => Array.from({ length: count }, (_, i) => sentence(i));
const mine = async (sentences: readonly string[], options = {}) =>
  new Map(
    (await mineSpans(textDocuments([sentences]), options)).map(({ text, kind, count }) => [text, { kind, count }]),
  );

describe("names", () => {
  const filler = ["walked", "home", "late", "again", "slowly"];
  test("are runs of capitals inside sentences, with their connectors, counted at the start too", async () => {
    const found = await mine([
      ...repeat(4, (i) => `they ${filler[i % 5]} to the University of California near Mr. Bennet's house`),
      "University of California opens late",
    ]);
    expect(found.get("University of California")).toEqual({ kind: "entity", count: 5 });
    expect((await mine(repeat(5, () => "we saw Mr. Bennet's dog"))).get("Mr. Bennet")).toMatchObject({ count: 5 });
  });

  test("words that are capital at the start of sentences only, headlines, and I are none (bug: The as a name)", async () => {
    const found = await mine([
      ...repeat(9, (i) => `Suddenly it ${filler[i % 5]}. “Nobody ${filler[i % 5]},” said I`),
      ...repeat(9, () => "Stock Prices Rise Again In Asia"),
      ...repeat(9, () => "the river Spring and the spring and the spring"),
    ]);
    expect([...found].filter(([, { kind }]) => kind === "entity")).toEqual([]);
  });
});

describe("phrases", () => {
  const random = new Random(2, "words");
  const words = Array.from({ length: 60 }, (_, i) => `w${String.fromCharCode(97 + (i % 26))}${i}`);
  const noise = (n: number) => Array.from({ length: n }, () => words[random.nextInt(60)]!).join(" ");

  test("stand together more often than chance; the parts that hardly occur alone are left out (bug: both kept)", async () => {
    const sentences = repeat(
      400,
      (i) => `${noise(6)} ${i % 4 === 0 ? "by no means" : "by"} ${noise(5)} means ${noise(3)}`,
    );
    const found = await mine(sentences, { minCount: 20, minPmi: 1 });
    expect(found.get("by no means")).toEqual({ kind: "phrase", count: 100 });
    expect(found.has("by no")).toBe(false);
    // Random neighbours occur together often enough, and no more than chance would have it.
    expect([...found.keys()]).toEqual(["by no means"]);
  });

  test("do not go over punctuation", async () => {
    const found = await mine(
      repeat(30, () => `${noise(2)} cold, water ${noise(2)}`),
      { minCount: 3, minPmi: 0 },
    );
    expect([...found.keys()].filter((text) => text.includes("cold"))).not.toContain("cold water");
  });
});

describe("Chinese", () => {
  const random = new Random(3, "characters");
  const characters = [..."的一是在不了有和人这中大为上个到说们时要就出会可也你对生能而子那得于着下自之年过发后作里"];
  const any = (n: number) => Array.from({ length: n }, () => characters[random.nextInt(characters.length)]!).join("");

  test("words hold together inside and stand beside many others (bug: 葡 alone before 萄 taken for a word)", async () => {
    const found = await mine(
      repeat(300, () => `${any(4)}葡萄酒${any(4)}玻璃${any(2)}`),
      { minCount: 20, minPmi: 2 },
    );
    expect(found.get("葡萄酒")).toEqual({ kind: "phrase", count: 300 });
    expect(found.get("玻璃")).toEqual({ kind: "phrase", count: 300 });
    // Always followed by 酒, always preceded by 葡.
    expect([...found.keys()].sort()).toEqual(["玻璃", "葡萄酒"].sort());
  });

  test("titles of works and places by their endings are names", async () => {
    const found = await mine(
      repeat(40, () => `${any(3)}《红楼梦》${any(3)}浙江省${any(3)}俄国${any(2)}全国${any(2)}`),
      { minPmi: 1.5 },
    );
    expect(found.get("红楼梦")?.kind).toBe("entity");
    expect(found.get("浙江省")?.kind).toBe("entity");
    expect(found.get("俄国")?.kind).toBe("entity");
    expect(found.get("全国")?.kind).toBe("phrase");
  });
});

test("the most frequent of each kind are kept, and wrong settings are reported together", async () => {
  const sentences = [
    ...repeat(9, () => "we met Alice"),
    ...repeat(7, () => "we met Bob"),
    ...repeat(6, () => "we met Eve"),
  ];
  const found = await mine(sentences, { maxSpans: 2, minPmi: 50 });
  expect([...found.keys()]).toEqual(["Alice", "Bob"]);
  await expect(mine([], { minCount: 0, maxWords: 1, minEntropy: -1 })).rejects.toThrow(
    /3 problems[\s\S]*minCount[\s\S]*maxWords[\s\S]*minEntropy/,
  );
});

test("a full table keeps the frequent, too low by what it says at most (bug: all counts lost at the limit)", () => {
  const table = new CountTable(100);
  const random = new Random(4, "keys");
  const exact = new Map<string, number>();
  for (let i = 0; i < 5000; i++) {
    const key = random.next() < 0.5 ? `often${i % 7}` : `once${i}`;
    table.add(key);
    exact.set(key, (exact.get(key) ?? 0) + 1);
  }
  expect([...table.entries()].length).toBeLessThanOrEqual(100);
  expect(table.missed).toBeGreaterThan(0);
  for (const [key, count] of exact) {
    expect(table.get(key)).toBeLessThanOrEqual(count);
    if (count > table.missed) expect(count - table.get(key)).toBeLessThanOrEqual(table.missed);
  }
});
