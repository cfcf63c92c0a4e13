/**
 * Learning and using tokenizers beside the Rust trainers of `tokenizers`, by turns:
 * `npx tsx bench/tokenizer.ts TEXT [--megabytes 40] [--rounds 3] [--kinds byteBpe,bpe,unigram,wordpiece]`.
 *
 * Trainers at the sizes that the Rust ones have by default (30 000; Unigram 8 000), without special tokens there. Encoding:
 * ids of the same text with the vocabulary just learned, through Firth's cache of words and through the library alone.
 * Times are medians of whole calls; seconds of all processors in brackets.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { library, type NativeTokenizer } from "../src/tokenizers/library.ts";
import { LibraryTokenizer } from "../src/tokenizers/library-tokenizer.ts";
import type { Tokenizer } from "../src/tokenizers/tokenizer.ts";
import { type TokenizerKind, trainTokenizer } from "../src/tokenizers/train.ts";

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    megabytes: { type: "string", default: "40" },
    rounds: { type: "string", default: "3" },
    kinds: { type: "string", default: "byteBpe,bpe,unigram,wordpiece" },
  },
});
const [path] = positionals;
if (path === undefined) {
  console.error("Usage: npx tsx bench/tokenizer.ts TEXT [--megabytes 40] [--rounds 3] [--kinds byteBpe,…]");
  process.exit(1);
}
const bytes = readFileSync(path).subarray(0, Number(given.megabytes) * 1e6);
const lines = new TextDecoder().decode(bytes).split("\n");
const folder = mkdtempSync(join(tmpdir(), "firth-bench-"));
const file = join(folder, "text.txt");
writeFileSync(file, lines.join("\n"));

interface Time {
  readonly wall: number;
  readonly cpu: number;
}

async function timed<T>(work: () => Promise<T> | T): Promise<[T, Time]> {
  const start = performance.now();
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return [result, { wall: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 }];
}

function median(times: readonly Time[]): string {
  const of = (key: keyof Time): number => times.map((time) => time[key]).sort((a, b) => a - b)[times.length >> 1]!;
  return `${of("wall").toFixed(2)} s (${of("cpu").toFixed(2)})`;
}

function learnOurs(kind: TokenizerKind): Promise<Tokenizer> {
  if (kind === "unigram") return trainTokenizer(lines, { kind, options: { vocabSize: 8_000 } });
  if (kind === "wordpiece") return trainTokenizer(lines, { kind, options: { vocabSize: 30_000 } });
  return trainTokenizer(lines, { kind, options: { vocabSize: 30_000, minFrequency: 0 } });
}

/** The pipeline of our tokenizer around an empty model, trained by the library on a file. */
function learnTheirs(ours: LibraryTokenizer): NativeTokenizer {
  const json = JSON.parse(ours.fileText);
  const { model } = json;
  const unigram = model.type === "Unigram";
  const vocab = unigram ? [["<unk>", 0]] : { [model.unk_token ?? "<unk>"]: 0 };
  const empty = { ...model, vocab, ...(unigram ? { unk_id: 0 } : {}), ...(model.merges ? { merges: [] } : {}) };
  const native = library().Tokenizer.fromString(
    JSON.stringify({ ...json, added_tokens: [], post_processor: null, model: empty }),
  );
  native.train([file]);
  return native;
}

async function encode(tokenizer: Tokenizer): Promise<void> {
  for (let i = 0; i < lines.length; i += 10_000) await tokenizer.encodeIds(lines.slice(i, i + 10_000));
}

console.log(`${(bytes.length / 1e6).toFixed(1)} MB, ${lines.length} lines; seconds, of all processors in brackets`);
for (const kind of given.kinds.split(",") as TokenizerKind[]) {
  const times = { ours: [] as Time[], theirs: [] as Time[], cache: [] as Time[], alone: [] as Time[] };
  for (let round = 0; round < Number(given.rounds); round++) {
    const [learned, ours] = await timed(() => learnOurs(kind));
    const tokenizer = learned as LibraryTokenizer;
    const [, theirs] = await timed(() => learnTheirs(tokenizer));
    const [, cache] = await timed(() => encode(tokenizer));
    const alone = new LibraryTokenizer(tokenizer.fileText, kind, tokenizer.settings);
    const [, slow] = await timed(() => encode(alone));
    times.ours.push(ours);
    times.theirs.push(theirs);
    times.cache.push(cache);
    times.alone.push(slow);
  }
  console.log(`${kind}: learn ${median(times.ours)}, Rust ${median(times.theirs)}`);
  console.log(`${" ".repeat(kind.length)}  encode ${median(times.cache)}, library alone ${median(times.alone)}`);
}
rmSync(folder, { recursive: true });
