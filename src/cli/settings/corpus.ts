/** @file Settings for preparing a corpus: the same for recipes and for the command line. */
import { type ConfigOf, defineFields, integerField, nullableField } from "../../formats/config-fields.ts";
import { textFields } from "./text.ts";

export const corpusFields = defineFields({
  ...textFields,
  shardBytes: integerField({ default: 32 << 20, min: 1, max: 1 << 30, doc: "Size of a shard in bytes." }),
  minDocumentTokens: integerField({ default: 1, min: 1, doc: "Documents with fewer tokens are left out." }),
  threads: nullableField(integerField({ min: 1, doc: "Threads that read and tokenize; null: all processors." })),
});

export type CorpusSettings = ConfigOf<typeof corpusFields>;
