/** @file An index that is made once, and gone on with where that was broken off. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type BuildIndexOptions,
  buildIndex,
  indexInfo,
  type OpenIndexOptions,
  openIndex,
  type VectorIndex,
} from "../../src/api/vector-index.ts";
import type { TableSource } from "../../src/data/table.ts";

/** Opens the index of a folder; what is missing of it is made first. */
export async function wholeIndex(
  folder: string,
  table: TableSource,
  options: BuildIndexOptions & Pick<OpenIndexOptions, "model">,
): Promise<VectorIndex> {
  const isWhole = existsSync(join(folder, "index.json")) && (await indexInfo(folder)).building === null;
  if (!isWhole) return (await buildIndex(folder, table, options)).index;
  const { model, engine, dtype } = options;
  return openIndex(folder, { model, engine, dtype });
}
