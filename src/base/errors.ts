/** A fact attached to an error, for programs that handle it. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** What every Firth error carries besides its message. */
export interface ErrorFacts {
  /** A stable SCREAMING_SNAKE_CASE name of the rule that was broken. */
  readonly code: string;
  /** Where: a file, a recipe key, a function; leads the message. */
  readonly path?: string;
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/**
 * Base of all errors that Firth throws on purpose.
 *
 * The message reads *where: rule broken; actual values. Fix.*
 */
export class FirthError extends Error {
  readonly code: string;
  readonly path: string | undefined;
  readonly details: ErrorDetails;

  constructor(message: string, facts: ErrorFacts) {
    super(facts.path === undefined ? message : `${facts.path}: ${message}`, { cause: facts.cause });
    this.name = new.target.name;
    this.code = facts.code;
    this.path = facts.path;
    this.details = facts.details ?? {};
  }
}

/** One thing wrong with a configuration. */
export interface ConfigIssue {
  readonly path: string;
  readonly message: string;
  readonly code: string;
}

/** A configuration that breaks its rules; all issues are reported together. */
export class ConfigError extends FirthError {
  readonly issues: readonly ConfigIssue[];

  constructor(where: string, issues: readonly ConfigIssue[]) {
    const [first] = issues;
    const lines = issues.map((issue) => `${issue.path}: ${issue.message} (${issue.code})`);
    super(issues.length === 1 ? lines[0]! : `${issues.length} problems\n  - ${lines.join("\n  - ")}`, {
      code: issues.length === 1 ? first!.code : "CONFIG_INVALID",
      path: where,
      details: { issues },
    });
    this.issues = issues;
  }
}

/** Input text, tables or shards that cannot be used as they are. */
export class DataError extends FirthError {}

/** Tensor shapes or dtypes that do not fit together. */
export class ShapeError extends FirthError {}

/** An engine that is missing, refuses a graph, or fails. */
export class BackendError extends FirthError {}

/** A model directory, weights file or checkpoint that cannot be read or written. */
export class CheckpointError extends FirthError {}

/** A broken promise inside Firth itself: never the user's fault. */
export function internalError(message: string, details: ErrorDetails = {}): FirthError {
  return new FirthError(`internal: ${message}`, { code: "INTERNAL", details });
}

/** Edit distance of two short names (Levenshtein). */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length]!;
}

/** The candidate nearest to a mistyped name, or undefined when none is near (more than half its letters differ). */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.ceil(name.length / 2)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
