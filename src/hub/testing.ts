/** @file A hub on this machine: answers what the client library asks, as the real one does, from folders in memory. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Files of one commit, by name. */
export type FakeFiles = Readonly<Record<string, Uint8Array | string>>;

export interface FakeModel {
  /** Branches and tags, by name. */
  readonly revisions: Readonly<Record<string, string>>;
  readonly commits: Readonly<Record<string, FakeFiles>>;
  readonly gated?: boolean;
}

/** What the server does wrong, for files by name. */
export interface Faults {
  corrupt?: string;
  truncate?: string;
  endless?: string;
  /** Status of every answer. */
  status?: number;
}

/** Files of this size and more are kept apart, under their SHA-256, as the hub does with weights. */
const largeBytes = 4096;

const bytesOf = (content: Uint8Array | string): Buffer => Buffer.from(content as string);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const gitHash = (bytes: Uint8Array): string =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/** A commit's name, made up. */
export const fakeCommit = (text: string): string => createHash("sha1").update(text).digest("hex");

export class FakeHub {
  readonly url: string;
  readonly faults: Faults = {};
  /** Paths asked for, in order. */
  readonly requests: string[] = [];
  /** Tokens that came along. */
  readonly tokens = new Set<string>();
  private readonly server: Server;
  private readonly models: Readonly<Record<string, FakeModel>>;

  private constructor(server: Server, models: Readonly<Record<string, FakeModel>>) {
    this.server = server;
    this.models = models;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(models: Readonly<Record<string, FakeModel>>): Promise<FakeHub> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const hub = new FakeHub(server, models);
    server.on("request", (request, response) => hub.answer(request, response));
    return hub;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private answer(request: IncomingMessage, response: ServerResponse): unknown {
    const { pathname } = new URL(request.url!, this.url);
    this.requests.push(`${request.method} ${pathname}`);
    const token = request.headers.authorization;
    if (token !== undefined) this.tokens.add(token);
    const refuse = (status: number, code?: string): void => {
      response.writeHead(status, { "Content-Type": "application/json", ...(code && { "X-Error-Code": code }) });
      response.end(JSON.stringify({ error: code ?? "failed" }));
    };
    if (this.faults.status !== undefined) return refuse(this.faults.status);
    const blob = /^\/blobs\/(.+?)\/([0-9a-f]{40})\/(.+)$/.exec(pathname);
    if (blob !== null)
      return this.send(request, response, blob[3]!, this.models[blob[1]!]!.commits[blob[2]!]![blob[3]!]!);
    const route = /^\/(?:api\/models\/(.+?)\/(revision|tree)\/([^/]+)|(.+?)\/(resolve)\/([^/]+)\/(.+))$/.exec(pathname);
    const [name, verb, revision, path] =
      route === null ? [] : [route[1] ?? route[4], route[2] ?? route[5], route[3] ?? route[6], route[7]];
    const model = this.models[name ?? ""];
    if (model === undefined) return refuse(401, "RepoNotFound");
    if (model.gated === true && token !== "Bearer hf_accepted")
      return refuse(token === undefined ? 401 : 403, "GatedRepo");
    const asked = decodeURIComponent(revision!);
    const commit = model.revisions[asked] ?? asked;
    const files = model.commits[commit];
    if (files === undefined) return refuse(404, "RevisionNotFound");
    if (verb === "resolve") {
      const content = files[path!];
      if (content === undefined) return refuse(404, "EntryNotFound");
      if (bytesOf(content).length < largeBytes) return this.send(request, response, path!, content);
      response.writeHead(302, { Location: `${this.url}/blobs/${name}/${commit}/${path}` });
      return response.end();
    }
    response.writeHead(200, { "Content-Type": "application/json" });
    return response.end(JSON.stringify(verb === "tree" ? treeOf(files) : infoOf(name!, commit, files)));
  }

  private send(request: IncomingMessage, response: ServerResponse, path: string, content: Uint8Array | string): void {
    let body = bytesOf(content);
    const etag = `"${body.length < largeBytes ? gitHash(body) : sha256(body)}"`;
    if (path === this.faults.corrupt) body = Buffer.from(body.map((byte, i) => (i === 0 ? byte ^ 1 : byte)));
    if (path === this.faults.truncate) body = body.subarray(0, body.length >> 1);
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const begin = Number(range?.[1] ?? 0);
    const end = range?.[2] ? Math.min(Number(range[2]) + 1, body.length) : body.length;
    const endless = path === this.faults.endless && range?.[2] !== "0";
    response.writeHead(range === null ? 200 : 206, {
      ETag: etag,
      "Accept-Ranges": "bytes",
      ...(endless ? {} : { "Content-Length": end - begin }),
      ...(range === null ? {} : { "Content-Range": `bytes ${begin}-${end - 1}/${body.length}` }),
    });
    if (request.method === "HEAD") response.end();
    else if (!endless) response.end(body.subarray(begin, end));
    else {
      const more = (): void => {
        while (!response.destroyed && response.write(body));
      };
      response.on("drain", more);
      more();
    }
  }
}

function infoOf(name: string, commit: string, files: FakeFiles): object {
  return {
    _id: "0",
    id: name,
    sha: commit,
    private: false,
    gated: false,
    downloads: 0,
    likes: 0,
    lastModified: "2026-01-01T00:00:00.000Z",
    siblings: Object.keys(files).map((rfilename) => ({ rfilename })),
  };
}

function treeOf(files: FakeFiles): object[] {
  const entries = Object.entries(files).map(([path, content]) => {
    const bytes = bytesOf(content);
    const lfs = { oid: sha256(bytes), size: bytes.length, pointerSize: 130 };
    const isLarge = bytes.length >= largeBytes;
    return {
      type: "file",
      path,
      size: bytes.length,
      oid: isLarge ? fakeCommit(path) : gitHash(bytes),
      ...(isLarge ? { lfs } : {}),
    };
  });
  return [...entries, { type: "directory", path: "onnx", size: 0, oid: fakeCommit("onnx") }];
}
