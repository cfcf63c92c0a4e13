/** @file A process that shares a folder store with another: it waits for `go`, then puts large values. Arguments: folder, how many, bytes. */
import { argv } from "node:process";
import { FolderStore } from "../../src/backend/xla/pjrt/key-value-store.ts";

const [folder, count, bytes] = argv.slice(2);
const store = new FolderStore(folder!);
if (store.get("go", 60_000) === undefined) throw new Error("nobody said go");
for (let i = 0; i < Number(count); i++) store.put(`part:${i}`, new Uint8Array(Number(bytes)).fill(i + 1));
