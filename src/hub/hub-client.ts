/** @file What Firth asks of the Hugging Face hub, with errors that say what to do. */
import { createHash } from "node:crypto";
import { CheckpointError, FirthError } from "../base/errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import type { HubModel } from "./hub-name.ts";

export interface HubClientOptions {
  /** Where the hub is; huggingface.co by default. */
  readonly hubUrl?: string | undefined;
  /** Opens private models, and those whose terms its owner has accepted. */
  readonly accessToken?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A file of a model at one commit. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** Names the content: SHA-256 of large files, git's own hash of all others. */
  readonly hash: string;
  readonly hashKind: "sha256" | "git";
}

/** Loaded when it is first needed: most programs never ask the hub. */
const library = () => import("@huggingface/hub");

const defaultHubUrl = "https://huggingface.co";

/** Why the hub refused, in its own words. */
function refusal(response: Response, model: HubModel, hubUrl: string): CheckpointError {
  const { status, headers } = response;
  const kind = headers.get("X-Error-Code") ?? "";
  const page = `${hubUrl}/${model.name}`;
  const error = (code: string, message: string): CheckpointError =>
    new CheckpointError(message, { code, path: `hub:${model.name}`, details: { status, kind, url: response.url } });
  if (kind === "GatedRepo") {
    return error(
      "HUB_GATED",
      `its owner asks users to accept terms first; status ${status}. Accept them at ${page}, and give the access token of that account (HF_TOKEN).`,
    );
  }
  if (kind === "RevisionNotFound") {
    return error(
      "HUB_REVISION_MISSING",
      `there is no branch, tag or commit ${JSON.stringify(model.revision)}. See ${page}/tree/main for those there are.`,
    );
  }
  if (kind === "EntryNotFound")
    return error("HUB_FILE_MISSING", `has no ${new URL(response.url).pathname}. See ${page}.`);
  if (kind === "RepoNotFound" || status === 401 || status === 404) {
    return error(
      "HUB_MODEL_MISSING",
      `there is no such model at ${hubUrl}, or it is private; status ${status}. Check the name; a private model needs an access token (HF_TOKEN).`,
    );
  }
  const said = headers.get("X-Error-Message") ?? response.statusText;
  return error("HUB_FAILED", `the hub answered with status ${status} ${said}. Try again later; whole files are kept.`);
}

/** The part of the hub that a model is. */
export class HubClient {
  private readonly model: HubModel;
  private readonly common: {
    readonly hubUrl: string;
    readonly fetch: typeof fetch;
    readonly accessToken?: string;
  };

  constructor(model: HubModel, options: HubClientOptions = {}) {
    const { accessToken, signal } = options;
    const hubUrl = (options.hubUrl ?? defaultHubUrl).replace(/\/+$/, "");
    this.model = model;
    if (accessToken !== undefined && !accessToken.startsWith("hf_")) {
      throw new CheckpointError("an access token begins with hf_; the one given does not. Copy it again (HF_TOKEN).", {
        code: "HUB_TOKEN",
        path: `hub:${model.name}`,
      });
    }
    const checked: typeof fetch = async (input, init) => {
      let response: Response;
      try {
        response = await fetch(input, { ...init, ...(signal === undefined ? {} : { signal }) });
      } catch (cause) {
        throw this.unreachable(cause);
      }
      if (response.ok) return response;
      throw refusal(response, model, hubUrl);
    };
    this.common = { hubUrl, fetch: checked, ...(accessToken === undefined ? {} : { accessToken }) };
  }

  private unreachable(cause: unknown): FirthError {
    if (cause instanceof FirthError) return cause;
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
    const said = inner instanceof Error ? inner.message : String(inner);
    return new CheckpointError(
      `${this.common.hubUrl} cannot be reached; ${said}. Check the network, or take what the cache holds (--offline).`,
      { code: "HUB_UNREACHABLE", path: `hub:${this.model.name}`, cause },
    );
  }

  /** The commit that the model's revision stands for now. */
  async commit(): Promise<string> {
    const { name, revision } = this.model;
    const { modelInfo } = await library();
    const { sha } = await this.guard(modelInfo({ ...this.common, name, revision, additionalFields: ["sha"] }));
    if (typeof sha === "string" && /^[0-9a-f]{40}$/.test(sha)) return sha;
    throw this.strange(`the commit ${JSON.stringify(sha)}`);
  }

  /** The files at the top of the model's folder. */
  async files(commit: string): Promise<HubFile[]> {
    const found: HubFile[] = [];
    const { listFiles } = await library();
    const entries = listFiles({ ...this.common, repo: { type: "model", name: this.model.name }, revision: commit });
    const next = () => this.guard(entries.next());
    for (let item = await next(); item.done !== true; item = await next()) {
      const { type, path, size, oid, lfs } = item.value;
      if (type !== "file" || path.includes("/")) continue;
      const hash = lfs === undefined ? (oid ?? "") : lfs.oid.replace(/^sha256:/, "");
      const hashKind = lfs === undefined ? "git" : "sha256";
      if (!Number.isSafeInteger(size) || !(hashKind === "git" ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/).test(hash)) {
        throw this.strange(`the file ${JSON.stringify(path)} with size ${size} and hash ${JSON.stringify(hash)}`);
      }
      found.push({ path, size: lfs?.size ?? size, hash, hashKind });
    }
    return found;
  }

  /**
   * Downloads a file; what arrives is checked against its size and hash before it gets its name.
   * @param onBytes told how many more bytes have come
   */
  async download(
    file: HubFile,
    commit: string,
    target: string,
    onBytes: (count: number) => void = () => undefined,
  ): Promise<void> {
    const repo = { type: "model", name: this.model.name } as const;
    const { downloadFile } = await library();
    const blob = await this.guard(
      downloadFile({ ...this.common, repo, path: file.path, revision: commit, xet: false }),
    );
    if (blob === null) throw this.strange(`no file ${JSON.stringify(file.path)}, which it had listed`);
    await writeFileAtomic(
      target,
      async (sink) => {
        const isGit = file.hashKind === "git";
        const hash = createHash(isGit ? "sha1" : "sha256");
        if (isGit) hash.update(`blob ${file.size}\0`);
        let received = 0;
        const reader = blob.stream().getReader();
        const next = () => this.guard(reader.read());
        for (let part = await next(); !part.done; part = await next()) {
          received += part.value.length;
          // A server that never ends must not fill the disk.
          if (received > file.size) break;
          hash.update(part.value);
          await sink.write(part.value);
          onBytes(part.value.length);
        }
        await reader.cancel().catch(() => undefined);
        if (received === file.size && hash.digest("hex") === file.hash) return;
        throw new CheckpointError(
          `${file.path} arrived damaged: ${received} of ${file.size} bytes, or another checksum than the hub's. Try again.`,
          {
            code: "HUB_DAMAGED",
            path: `hub:${this.model.name}`,
            details: { file: file.path, received, size: file.size },
          },
        );
      },
      { expectedBytes: file.size },
    );
  }

  private async guard<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      throw this.unreachable(cause);
    }
  }

  private strange(what: string): CheckpointError {
    return new CheckpointError(`${this.common.hubUrl} answered with ${what}. Check that this is a hub.`, {
      code: "HUB_ANSWER",
      path: `hub:${this.model.name}`,
    });
  }
}
