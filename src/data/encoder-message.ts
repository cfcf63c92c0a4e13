/** @file What the thread that prepares a corpus and the threads that encode its blocks say to each other. */
import type { PortableTokenizer } from "../tokenizers/portable.ts";
import type { DocumentBlock } from "./document-block.ts";
import type { EncodedBlock, EncodeSettings } from "./encode-block.ts";

/** To a thread; it answers the first two in order, and ends after the third. */
export type EncoderRequest =
  | { readonly kind: "start"; readonly tokenizer: PortableTokenizer; readonly settings: EncodeSettings }
  | { readonly kind: "encode"; readonly block: DocumentBlock }
  | { readonly kind: "end" };

/** From a thread: what became of the oldest request without an answer. */
export type EncoderAnswer =
  | { readonly kind: "started" }
  | { readonly kind: "encoded"; readonly block: EncodedBlock }
  | { readonly kind: "failed"; readonly message: string; readonly stack: string | undefined };
