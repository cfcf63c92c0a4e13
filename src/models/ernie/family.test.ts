import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { storedNumbers } from "../../../tests/support/stored-numbers.ts";
import { namedParameters } from "../../nn/module.ts";
import { familyOf } from "../families.ts";
import { ernieFamily } from "./family.ts";

const fixtures = fileURLToPath(new URL("../../../tests/fixtures/ernie/", import.meta.url));
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firth-ernie-"));
});
afterAll(() => rm(root, { recursive: true }));

const json = async (folder: string) => JSON.parse(await readFile(join(folder, "config.json"), "utf8"));

test.each(["pretraining", "masked-lm-task-types"])(
  "%s: config.json and weights come back as they were",
  async (name) => {
    const source = join(fixtures, name);
    expect((await familyOf(source)).name).toBe("ernie");
    const loaded = await ernieFamily.loadPretraining(source, 1);
    const target = await mkdtemp(join(root, "saved-"));
    await ernieFamily.save(target, loaded);
    expect(await json(target)).toEqual({
      ...(await json(source)),
      architectures: ["ErnieForPreTraining"],
      classifier_dropout: null,
    });
    const written = await storedNumbers(target);
    for (const [key, tensor] of await storedNumbers(source)) expect(written.get(key), key).toEqual(tensor);
  },
);

test("kinds of task are there only where the configuration says so (bug: an embedding that nothing trains)", () => {
  const sizes = { preset: "tiny", vocabSize: 20, hiddenSize: 8, intermediateSize: 8, taskTypeVocabSize: 5 } as const;
  const parametersOf = (useTaskId: boolean) => [
    ...namedParameters(ernieFamily.pretraining(ernieFamily.configure({ ...sizes, useTaskId }))).keys(),
  ];
  const without = parametersOf(false);
  const kinds = parametersOf(true).filter((name) => !without.includes(name));
  expect(kinds).toEqual(["encoder.embeddings.taskTypeEmbeddings.weight"]);
  const stored = ernieFamily.weightMap(ernieFamily.configure(sizes)).map(({ parameter }) => parameter);
  expect(stored).toContain(kinds[0]);
});
