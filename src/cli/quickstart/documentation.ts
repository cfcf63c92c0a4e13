/** @file English text that every installation has: the documentation inside its packages. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TextDocument } from "../../data/document.ts";
import { sentenceSplitter } from "../../data/sentence.ts";

/** Turns Markdown into plain sentences' text: no code blocks, tables, links, tags or emphasis. */
export function plainText(markdown: string): string {
  return markdown
    .replace(/^(```|~~~)[\s\S]*?^\1/gm, "\n\n")
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/^\s*[|<#=>[].*$/gm, "")
    .replace(/\{@link(?:code|plain)?\s+([^}|\s]+)[^}]*\}/g, "$1")
    .replace(/!\[[^\]]*\]\([^)]*\)/g, "")
    .replace(/\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])/g, "$1")
    .replace(/<\/?[a-zA-Z][^>]*>/g, "")
    .replace(/[`*]+/g, "")
    .replace(/^\s*(?:[-+]|\d+\.)\s+/gm, "\n")
    .replace(/https?:\S+/g, "");
}

/** The descriptions of a declaration file's documentation comments, without their `@tags`. */
export function docComments(source: string): string[] {
  return [...source.matchAll(/\/\*\*([\s\S]*?)\*\//g)].map(([, body]) => {
    const text = body!.replace(/^[ \t]*\*[ \t]?/gm, "");
    return plainText(text.split(/^\s*@\w+/m)[0]!);
  });
}

const split = sentenceSplitter({ unwrap: "always" });

/** Sentences of 4 to 80 words that are mostly ordinary words: what is left of prose after code is gone. */
export function proseSentences(text: string): string[] {
  return text
    .split(/\n\s*\n/)
    .flatMap((paragraph) =>
      split(
        paragraph
          .split("\n")
          .map((line) => line.trim())
          .filter((line) => line !== ""),
      ),
    )
    .filter((sentence) => {
      const words = sentence.split(/\s+/);
      const ordinary = words.filter((word) => /^["'(]?[A-Za-z][a-z]*['’]?[a-z]*[.,;:!?)"']*$/.test(word));
      return words.length >= 4 && words.length <= 80 && ordinary.length >= 0.7 * words.length;
    });
}

/** A sentence and the Node module that it documents. */
export interface ModuleSentence {
  readonly sentence: string;
  readonly module: string;
}

/** Node modules with enough documentation to be told apart. */
export const modules = [
  "assert",
  "buffer",
  "child_process",
  "crypto",
  "events",
  "fs",
  "http",
  "http2",
  "net",
  "process",
  "stream",
  "test",
  "tls",
  "url",
  "util",
  "vm",
  "worker_threads",
] as const;

/** What each module's documentation says, one entry a sentence; sentences that several modules share are left out. */
export async function moduleSentences(nodeModules: string): Promise<ModuleSentence[]> {
  const folder = join(nodeModules, "@types", "node");
  const owners = new Map<string, Set<string>>();
  for (const module of modules) {
    const source = await readFile(join(folder, `${module}.d.ts`), "utf8");
    for (const sentence of docComments(source).flatMap(proseSentences)) {
      owners.set(sentence, (owners.get(sentence) ?? new Set()).add(module));
    }
  }
  return [...owners].flatMap(([sentence, found]) => (found.size === 1 ? [{ sentence, module: [...found][0]! }] : []));
}

async function* filesBelow(folder: string, accept: (name: string) => boolean): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !entry.name.startsWith(".")) yield* filesBelow(path, accept);
    else if (entry.isFile() && accept(entry.name)) yield path;
  }
}

/** Files are cut into documents of this length, so that held-out ones come from everywhere. */
const SENTENCES_A_DOCUMENT = 30;

/**
 * All the prose found below `node_modules`: comments of the declaration files of Node and
 * TypeScript, and READMEs. Equal sentences are kept once.
 */
export async function documentation(nodeModules: string): Promise<TextDocument[]> {
  const seen = new Set<string>();
  const documents: TextDocument[] = [];
  const add = (sentences: readonly string[]): void => {
    const fresh = sentences.filter((sentence) => !seen.has(sentence));
    for (const sentence of fresh) seen.add(sentence);
    for (let at = 0; at < fresh.length; at += SENTENCES_A_DOCUMENT) {
      documents.push(fresh.slice(at, at + SENTENCES_A_DOCUMENT));
    }
  };
  for (const library of ["@types/node", "typescript/lib"]) {
    for await (const path of filesBelow(join(nodeModules, library), (name) => name.endsWith(".d.ts"))) {
      add(docComments(await readFile(path, "utf8")).flatMap(proseSentences));
    }
  }
  for await (const path of filesBelow(nodeModules, (name) => /^readme\.md$/i.test(name))) {
    add(proseSentences(plainText(await readFile(path, "utf8"))));
  }
  return documents;
}
