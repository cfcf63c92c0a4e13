import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DataError } from "../base/errors.ts";

/** Name of the file that describes a prepared corpus. */
export const manifestFile = "manifest.json";
/** Version of the shard and manifest layout that this code writes and reads. */
export const shardFormatVersion = 1;

const count = z.number().int().nonnegative();

const shardSchema = z.strictObject({
  file: z.string().regex(/^[\w.-]+$/),
  bytes: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  numDocuments: count,
  numSentences: count,
  numTokens: count,
});

const manifestSchema = z.strictObject({
  format: z.literal("firth-corpus"),
  version: z.literal(shardFormatVersion),
  tokenizer: z.strictObject({ hash: z.string(), vocabSize: z.number().int().positive() }),
  tokenType: z.enum(["uint16", "uint32"]),
  source: z.string(),
  settings: z.record(z.string(), z.unknown()),
  numDocuments: count,
  numSentences: count,
  numTokens: count,
  /** UTF-8 bytes of the sentences that were tokenized: the unit of bits per byte. */
  textBytes: count,
  shards: z.array(shardSchema),
});

/** One shard file as the manifest describes it. */
export type ShardEntry = Readonly<z.infer<typeof shardSchema>>;
/** What a prepared corpus holds and how it was made. */
export type CorpusManifest = Readonly<z.infer<typeof manifestSchema>>;

/**
 * Reads and checks the manifest of a prepared corpus.
 * @throws {DataError} CORPUS_MISSING, MANIFEST_INVALID, MANIFEST_TOTALS_WRONG
 */
export async function readManifest(folder: string): Promise<CorpusManifest> {
  const path = join(folder, manifestFile);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new DataError(`no prepared corpus here (${manifestFile} cannot be read). Run "firth data prepare" first.`, {
      code: "CORPUS_MISSING",
      path: folder,
      cause,
    });
  }
  const manifest = parseManifest(text, path);
  for (const key of ["numDocuments", "numSentences", "numTokens"] as const) {
    const sum = manifest.shards.reduce((total, shard) => total + shard[key], 0);
    if (sum !== manifest[key]) {
      throw new DataError(
        `${key} must be the sum over the shards; got ${manifest[key]} and ${sum}. Prepare it again.`,
        {
          code: "MANIFEST_TOTALS_WRONG",
          path,
        },
      );
    }
  }
  return manifest;
}

function parseManifest(text: string, path: string): CorpusManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DataError("not valid JSON. Prepare the corpus again.", { code: "MANIFEST_INVALID", path, cause });
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`);
  throw new DataError(
    `not a corpus manifest of version ${shardFormatVersion}; ${issues.join("; ")}. Prepare it again.`,
    {
      code: "MANIFEST_INVALID",
      path,
      details: { issues },
    },
  );
}
