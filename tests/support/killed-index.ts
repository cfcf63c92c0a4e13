/** @file An index that is made in a process of its own, to be killed: prints how many entries are in it. */
import { buildIndex } from "../../src/api/vector-index.ts";
import { manyEntries } from "./many-entries.ts";
import { pairedModel } from "./paired-words.ts";

const [folder] = process.argv.slice(2) as [string];
const { index } = await buildIndex(folder, manyEntries, {
  model: pairedModel(),
  engine: { threads: 1 },
  onProgress: ({ done }) => process.stdout.write(`${done}\n`),
});
await index.dispose();
