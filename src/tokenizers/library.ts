import { createRequire } from "node:module";
import { BackendError } from "../base/errors.ts";

/** The native tokenization library, as its own type declarations describe it. */
export type Library = typeof import("tokenizers");
/** A tokenizer of the native library. */
export type NativeTokenizer = import("tokenizers").Tokenizer;

let loaded: Library | undefined;

/**
 * The native library (Rust `tokenizers`), loaded on first use: its binaries for every platform lie inside the package.
 * @throws {BackendError} TOKENIZER_LIBRARY when there is no binary for this platform
 */
export function library(): Library {
  if (loaded === undefined) {
    try {
      loaded = createRequire(import.meta.url)("tokenizers") as Library;
    } catch (cause) {
      throw new BackendError(
        "the native library does not load on this platform. Use a platform that the package has a binary for, or reinstall it.",
        { code: "TOKENIZER_LIBRARY", path: "tokenizers", cause },
      );
    }
  }
  return loaded;
}
