import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FakePlugins, pair, program, TestFolder } from "./testing/harness.ts";

const plugins = new FakePlugins();
const folder = new TestFolder();

it("compiled programs are kept in a folder, and compiled again where they are damaged", async () => {
  const options = { compileCache: folder.at("cache") };
  const use = async (): Promise<readonly string[]> => {
    const executor = await plugins.open(options);
    const add = await executor.compile(program("add"));
    const x = executor.upload(Float32Array.of(1, 2), pair);
    expect(await (await add.run([x, x]))[0]!.read()).toEqual(Float32Array.of(2, 4));
    await plugins.expectClean(executor);
    return plugins.last.calls.filter((name) => name === "Client_Compile" || name === "Executable_DeserializeAndLoad");
  };
  expect(await use()).toEqual(["Client_Compile"]);
  expect(await use()).toEqual(["Executable_DeserializeAndLoad"]);
  const [name, ...others] = readdirSync(options.compileCache);
  expect(others).toEqual([]);
  const file = join(options.compileCache, name!);
  const bytes = readFileSync(file);
  bytes[40]! ^= 1;
  writeFileSync(file, bytes);
  expect(await use()).toEqual(["Client_Compile"]);
});
