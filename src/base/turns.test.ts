import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

test("work is done in its order, and what fails stops nothing (bug: the second begins while the first waits)", async () => {
  const turns = new Turns();
  const told: string[] = [];
  const work = (name: string) => async () => {
    told.push(`${name} begins`);
    await new Promise((resolve) => setTimeout(resolve, 1));
    told.push(`${name} ends`);
    if (name === "a") throw new Error("a fails");
    return name;
  };
  const [a, b] = [turns.run(work("a")), turns.run(work("b"))];
  await expect(a).rejects.toThrow("a fails");
  await turns.idle();
  expect(told).toEqual(["a begins", "a ends", "b begins", "b ends"]);
  expect(await b).toBe("b");
});
