import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import * as firth from "../src/index.ts";

const src = fileURLToPath(new URL("../src/", import.meta.url));

/** The `@example` blocks of every source file, without the comment's stars. */
const examples = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
  .flatMap((file) =>
    [...readFileSync(join(src, file), "utf8").matchAll(/@example\n((?:\s*\*(?! @)(?!\/).*\n)+)/g)].map(
      ([, block], i) => ({
        name: `${file} #${i + 1}`,
        code: block!.replace(/^\s*\* ?/gm, ""),
      }),
    ),
  );

it("there are examples (bug: the search finds none, and nothing is tested)", () => {
  expect(examples.length).toBeGreaterThan(0);
});

it.each(examples)("the example of $name runs", async ({ code }) => {
  const known: Record<string, unknown> = { ...firth.ops, ...firth };
  const used = Object.keys(known).filter((name) => new RegExp(`\\b${name}\\b`).test(code));
  const AsyncFunction = (async () => undefined).constructor as new (
    ...parts: string[]
  ) => (...values: unknown[]) => Promise<void>;
  await new AsyncFunction(...used, code)(...used.map((name) => known[name]));
});
