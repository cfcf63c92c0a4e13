/** @file Vectors of one size on disk: written once, in pieces that survive a crash, and read one by one. */
import { closeSync, openSync, readSync } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError, DataError } from "../base/errors.ts";
import { writeFileAtomic } from "./atomic.ts";
import { systemCode, writeFailure } from "./file-failure.ts";
import { formatJson, readJsonObject } from "./json-file.ts";

const FORMAT = 1;
const factsName = "vectors.json";
const numbersName = "vectors.f32";

/** What a folder of vectors says of itself. */
export interface VectorFacts {
  /** Entries of a vector. */
  readonly size: number;
  /** Vectors that are to be there. */
  readonly count: number;
  /** Names how they were made: vectors of another identity are others. */
  readonly identity: string;
}

/** Vectors in a folder, read one by one; close it when done. */
export class VectorFile {
  readonly folder: string;
  readonly facts: VectorFacts;
  private file: number | undefined;

  private constructor(folder: string, facts: VectorFacts) {
    this.folder = folder;
    this.facts = facts;
    this.file = openSync(join(folder, numbersName), "r");
  }

  /**
   * Fills a folder with vectors, or opens it where they are there already. What a crash left half done goes on behind the
   * last vectors that are known to be whole.
   * @param make the vectors [first, end) in their order, each of `facts.size` entries, in pieces of any number
   * @throws {DataError} VECTORS_OTHER where the folder holds vectors of another identity
   * @throws {CheckpointError} FILE_CORRUPT, DISK_FULL, NOT_WRITABLE, WRITE_FAILED
   */
  static async fill(
    folder: string,
    facts: VectorFacts,
    make: (first: number) => AsyncIterable<readonly Float32Array[]>,
  ): Promise<{ readonly vectors: VectorFile; readonly made: number }> {
    const done = await progressOf(folder, facts);
    if (done < facts.count) await write(folder, facts, done, make);
    return { vectors: new VectorFile(folder, facts), made: facts.count - done };
  }

  /** Copies a vector to a place. @throws {CheckpointError} FILE_TRUNCATED */
  read(index: number, target: Float32Array, at = 0): void {
    const { size } = this.facts;
    const bytes = new Uint8Array(target.buffer, target.byteOffset + 4 * at, 4 * size);
    const read = this.file === undefined ? 0 : readSync(this.file, bytes, 0, bytes.length, 4 * size * index);
    if (read === bytes.length) return;
    throw new CheckpointError(`ends before vector ${index}. Remove the folder, and the vectors are made again.`, {
      code: "FILE_TRUNCATED",
      path: join(this.folder, numbersName),
    });
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }
}

/** How many vectors are known to be whole. */
async function progressOf(folder: string, { size, count, identity }: VectorFacts): Promise<number> {
  const path = join(folder, factsName);
  let found: Awaited<ReturnType<typeof readJsonObject>>;
  try {
    found = await readJsonObject(path);
  } catch (error) {
    if (error instanceof CheckpointError && error.code === "MISSING_FILE") return 0;
    throw error;
  }
  if (found.format !== FORMAT) {
    throw new CheckpointError(`has format ${JSON.stringify(found.format)}; this version reads ${FORMAT}.`, {
      code: "FILE_CORRUPT",
      path,
    });
  }
  if (found.identity !== identity || found.size !== size || found.count !== count) {
    throw new DataError(
      "the folder holds vectors of another model, other texts or other settings. Choose another folder, or remove it.",
      { code: "VECTORS_OTHER", path: folder },
    );
  }
  return Number(found.done);
}

/** Writes all bytes: a nearly full disk may take a part of them without an error. */
async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

async function write(
  folder: string,
  facts: VectorFacts,
  done: number,
  make: (first: number) => AsyncIterable<readonly Float32Array[]>,
): Promise<void> {
  const path = join(folder, numbersName);
  const tell = (number: number) =>
    writeFileAtomic(join(folder, factsName), formatJson({ format: FORMAT, ...facts, done: number }));
  try {
    await mkdir(folder, { recursive: true });
    // Numbers behind the last known vector may be torn.
    const file = await open(path, done === 0 ? "w" : "r+");
    try {
      let next = done;
      for await (const piece of make(done)) {
        const numbers = new Float32Array(piece.length * facts.size);
        piece.forEach((vector, i) => {
          numbers.set(vector, i * facts.size);
        });
        await writeWhole(file, new Uint8Array(numbers.buffer), 4 * facts.size * next);
        await file.sync();
        next += piece.length;
        await tell(next);
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause;
    throw await writeFailure(cause, path, 4 * facts.size * facts.count);
  }
}
