import { CheckpointError } from "../base/errors.ts";

/** A model on the hub, at some state of its history. */
export interface HubModel {
  /** `owner/name`, or `name` of the hub's oldest models. */
  readonly name: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

const prefix = "hub:";
const namePart = "[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?";
const namePattern = new RegExp(`^${namePart}(?:/${namePart})?$`);
const revisionPattern = /^[A-Za-z0-9_][A-Za-z0-9_./-]*$/;

/** Whether a text names a model on the hub, rightly or wrongly. */
export function isHubName(text: string): boolean {
  return text.startsWith(prefix);
}

/**
 * Reads `hub:NAME` or `hub:NAME@REVISION`.
 * @throws {CheckpointError} HUB_NAME
 */
export function parseHubName(text: string): HubModel {
  const [name = "", revision = "main", ...rest] = text.slice(prefix.length).split("@");
  const isRevision = revisionPattern.test(revision) && !revision.includes("..") && !revision.includes("//");
  if (isHubName(text) && namePattern.test(name) && !name.includes("..") && isRevision && rest.length === 0) {
    return { name, revision };
  }
  throw new CheckpointError(
    `must be hub:OWNER/NAME or hub:OWNER/NAME@REVISION; got ${JSON.stringify(text)}. Copy the name from the model's page.`,
    { code: "HUB_NAME", path: "import" },
  );
}
