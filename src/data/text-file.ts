import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../base/errors.ts";
import { byteBlocks } from "./byte-block.ts";
import { blockText, type DocumentBlock } from "./document-block.ts";
import type { DocumentOptions } from "./document-builder.ts";
import type { DecodeOptions } from "./encoding.ts";
import { globPattern } from "./glob.ts";
import { BlockSource, type TextSource } from "./source.ts";

/** How plain text files are read. */
export interface TextOptions extends DecodeOptions, DocumentOptions {}

/** How the files of a folder are chosen and read. */
export interface FolderOptions extends TextOptions {
  /** Which files, by path relative to the folder; `**\/*.{txt,txt.gz}` unless given. */
  readonly files?: string | readonly string[];
}

class TextFile extends BlockSource {
  readonly name: string;
  private readonly options: TextOptions;

  constructor(file: string, options: TextOptions) {
    super();
    this.name = file;
    this.options = options;
  }

  async *blocks(): AsyncGenerator<DocumentBlock> {
    let isEmpty = true;
    for await (const block of byteBlocks(this.name, this.options)) {
      // Every text that is not white space has a sentence; wrong bytes are left to the reader of the block.
      isEmpty &&= !/\S/.test(blockText(block, { ...this.options, invalid: "replace" }, 1));
      yield block;
    }
    if (isEmpty) throw new DataError("the file holds no text.", { code: "FILE_EMPTY", path: this.name });
  }
}

class TextFolder extends BlockSource {
  readonly name: string;
  private readonly options: FolderOptions;

  constructor(folder: string, options: FolderOptions) {
    super();
    this.name = folder;
    this.options = options;
  }

  async *blocks(): AsyncGenerator<DocumentBlock> {
    const { files, ...options } = this.options;
    for (const file of await folderFiles(this.name, files)) yield* byteBlocks(file, options);
  }
}

/** A plain text file, also gzipped (`.gz`); a blank line ends a document unless told otherwise. */
export function textFile(file: string, options: TextOptions = {}): TextSource {
  return new TextFile(file, options);
}

/** All text files of a folder and its subfolders, in the order of their paths; see {@link textFile}. */
export function textFolder(folder: string, options: FolderOptions = {}): TextSource {
  return new TextFolder(folder, options);
}

/**
 * The files of a folder that match, with the folder's name in front, sorted by code unit so that every machine
 * reads them in the same order.
 * @throws {DataError} FOLDER_MISSING, FOLDER_NO_FILES
 */
export async function folderFiles(
  folder: string,
  files: string | readonly string[] = "**/*.{txt,txt.gz}",
): Promise<string[]> {
  const patterns = (typeof files === "string" ? [files] : files).map(globPattern);
  const found: string[] = [];
  const visit = async (relative: string): Promise<void> => {
    for (const entry of await readdir(join(folder, relative), { withFileTypes: true })) {
      const path = relative === "" ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory()) await visit(path);
      else if (patterns.some((pattern) => pattern.test(path))) found.push(path);
    }
  };
  try {
    await visit("");
  } catch (cause) {
    throw new DataError(`cannot be read as a folder: ${(cause as Error).message}. Check the name.`, {
      code: "FOLDER_MISSING",
      path: folder,
      cause,
    });
  }
  if (found.length === 0) {
    throw new DataError(`no file matches ${[files].flat().join(", ")}. Set files to a pattern that fits.`, {
      code: "FOLDER_NO_FILES",
      path: folder,
    });
  }
  return found.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)).map((path) => join(folder, path));
}
