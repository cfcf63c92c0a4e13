import type { Worker } from "node:worker_threads";
import { FirthError, internalError } from "../base/errors.ts";
import { startSiblingWorker } from "../base/sibling-module.ts";
import type { PortableTokenizer } from "../tokenizers/portable.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import type { BlockEncoder } from "./block-encoder.ts";
import { type DocumentBlock, readBlock, startsFile } from "./document-block.ts";
import { type EncodedBlock, type EncodeSettings, encodeBlock } from "./encode-block.ts";
import type { EncoderAnswer, EncoderRequest } from "./encoder-message.ts";

/** What an {@link EncoderPool} works with. */
export interface EncoderPoolOptions {
  readonly threads: number;
  /** The tokenizer of this thread, and what the others make theirs from. */
  readonly tokenizer: Tokenizer;
  readonly portable: PortableTokenizer;
  readonly settings: EncodeSettings;
}

/** Blocks that a thread holds: one to work on, one to go on with. */
const blocksAThread = 2;
/** Room for short-lived objects: more only raises the peak. */
const youngGenerationMb = 16;
/** How long a thread may take for the blocks at hand before it is stopped. */
const patienceMs = 5000;

/** A block failed on a thread that does not know where in its file it lies. */
class BlockFailure extends Error {
  readonly workerStack: string | undefined;

  constructor(message: string, workerStack: string | undefined) {
    super(message);
    this.workerStack = workerStack;
  }
}

interface Waiting {
  readonly request: EncoderRequest;
  readonly resolve: (block: EncodedBlock | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/** One thread and the requests it has not answered. */
class EncoderThread {
  readonly waiting: Waiting[] = [];
  readonly exited: Promise<void>;
  private readonly worker: Worker;

  /** @param onDeath called once, when the thread can do no more */
  constructor(onAnswer: () => void, onDeath: (reason: unknown) => void) {
    this.worker = startSiblingWorker("encoder-worker", import.meta.url, {
      maxYoungGenerationSizeMb: youngGenerationMb,
    });
    this.worker.on("message", (answer: EncoderAnswer) => {
      const { resolve, reject } = this.waiting.shift()!;
      if (answer.kind === "failed") reject(new BlockFailure(answer.message, answer.stack));
      else resolve(answer.kind === "encoded" ? answer.block : undefined);
      onAnswer();
    });
    this.worker.on("error", onDeath);
    this.worker.on("messageerror", onDeath);
    this.exited = new Promise((done) => {
      this.worker.on("exit", (code) => {
        onDeath(new Error(`it ended with exit code ${code}`));
        done();
      });
    });
  }

  send(entry: Waiting): void {
    this.waiting.push(entry);
    this.worker.postMessage(entry.request);
  }

  /** Lets the thread finish what it holds and end. */
  async end(): Promise<void> {
    this.worker.postMessage({ kind: "end" } satisfies EncoderRequest);
    const timer = setTimeout(() => void this.worker.terminate(), patienceMs);
    await this.exited;
    clearTimeout(timer);
  }
}

/** Encodes blocks on several threads; results do not depend on their number. */
export class EncoderPool implements BlockEncoder {
  readonly blocksAhead: number;
  private readonly options: EncoderPoolOptions;
  private readonly threads: EncoderThread[];
  /** Blocks that no thread has room for yet. */
  private readonly queue: Waiting[] = [];
  /** The line at which the next block begins, once the blocks before are encoded. */
  private nextLine: Promise<number> = Promise.resolve(1);
  private death: FirthError | undefined;
  private isClosing = false;

  constructor(options: EncoderPoolOptions) {
    this.options = options;
    this.blocksAhead = (blocksAThread + 1) * options.threads;
    const { portable: tokenizer, settings } = options;
    this.threads = Array.from({ length: options.threads }, () => {
      const thread: EncoderThread = new EncoderThread(
        () => this.feed(),
        (reason) => this.die(reason),
      );
      thread.send({
        request: { kind: "start", tokenizer, settings },
        resolve: () => undefined,
        // The tokenizer works here: a thread that cannot make it is no good.
        reject: (reason) => this.die(reason),
      });
      return thread;
    });
  }

  async encode(block: DocumentBlock): Promise<EncodedBlock> {
    const line = startsFile(block) ? Promise.resolve(1) : this.nextLine;
    const encoded = this.dispatch(block);
    this.nextLine = line.then(async (first) => first + (await encoded).numLines);
    // Whoever waits for the block sees its failure.
    this.nextLine.catch(() => undefined);
    try {
      return await encoded;
    } catch (failure) {
      if (!(failure instanceof BlockFailure)) throw failure;
      return await this.failHere(block, await line, failure);
    }
  }

  async close(): Promise<void> {
    this.isClosing = true;
    // What no thread holds yet would wait for ever.
    for (const { reject } of this.queue) reject(internalError("the encoder was closed before its blocks were done"));
    this.queue.length = 0;
    await Promise.all(this.threads.map((thread) => thread.end()));
  }

  /** Encodes a block that failed elsewhere once more, to find the error with its place. */
  private async failHere(block: DocumentBlock, line: number, failure: BlockFailure): Promise<never> {
    const { tokenizer, settings } = this.options;
    await encodeBlock(readBlock(block, line), tokenizer, settings);
    throw internalError(`a block of the corpus failed on a thread, but not on another: ${failure.message}`, {
      stack: failure.workerStack,
    });
  }

  private dispatch(block: DocumentBlock): Promise<EncodedBlock> {
    return new Promise((resolve, reject) => {
      if (this.death !== undefined) {
        reject(this.death);
        return;
      }
      this.queue.push({ request: { kind: "encode", block }, resolve: (result) => resolve(result!), reject });
      this.feed();
    });
  }

  private feed(): void {
    while (this.queue.length > 0) {
      const [idlest] = [...this.threads].sort((a, b) => a.waiting.length - b.waiting.length);
      if (idlest === undefined || idlest.waiting.length >= blocksAThread) return;
      idlest.send(this.queue.shift()!);
    }
  }

  /** A thread that is lost loses its blocks: everything that waits fails. */
  private die(reason: unknown): void {
    if (this.isClosing || this.death !== undefined) return;
    const { message, code } = reason as NodeJS.ErrnoException;
    const memory = code === "ERR_WORKER_OUT_OF_MEMORY" ? "Give it fewer threads" : "Try fewer threads";
    this.death = new FirthError(`a thread was lost: ${message}. ${memory}; nothing was kept.`, {
      code: "WORKER_LOST",
      path: "preparing a corpus",
      cause: reason,
    });
    for (const { reject } of [...this.threads.flatMap(({ waiting }) => waiting), ...this.queue]) reject(this.death);
    this.queue.length = 0;
  }
}
