/** @file Program of a thread that cleans, splits and tokenizes blocks of a corpus. */
import { parentPort } from "node:worker_threads";
import { openPortable } from "../tokenizers/portable.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { readBlock } from "./document-block.ts";
import { type EncodeSettings, encodeBlock } from "./encode-block.ts";
import type { EncoderAnswer, EncoderRequest } from "./encoder-message.ts";

let started: { readonly tokenizer: Tokenizer; readonly settings: EncodeSettings } | undefined;

async function answer(request: Exclude<EncoderRequest, { kind: "end" }>): Promise<EncoderAnswer> {
  if (request.kind === "start") {
    started = { tokenizer: openPortable(request.tokenizer), settings: request.settings };
    return { kind: "started" };
  }
  const { tokenizer, settings } = started!;
  // Only the thread that reads the source knows the line: it reads the block again if this fails.
  const block = await encodeBlock(readBlock(request.block, 1), tokenizer, settings);
  return { kind: "encoded", block };
}

async function handle(request: EncoderRequest): Promise<void> {
  if (request.kind === "end") {
    parentPort!.close();
    return;
  }
  let result: EncoderAnswer;
  try {
    result = await answer(request);
  } catch (error) {
    const { message, stack } = error as Error;
    result = { kind: "failed", message, stack };
  }
  const moved =
    result.kind === "encoded" ? Object.values(result.block).filter((value) => typeof value === "object") : [];
  parentPort!.postMessage(
    result,
    moved.map(({ buffer }) => buffer as ArrayBuffer),
  );
}

let last: Promise<void> = Promise.resolve();
parentPort!.on("message", (request: EncoderRequest) => {
  last = last.then(() => handle(request));
});
