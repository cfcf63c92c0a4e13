import { ConfigError, type ConfigIssue, nearestName } from "../../base/errors.ts";
import { type ConfigFields, type ConfigInput, type ConfigOf, showValue } from "../../formats/config-fields.ts";
import type { ConfigTable } from "../../formats/config-table.ts";

/** A mapping of a recipe as YAML gave it. */
export type Section = Readonly<Record<string, unknown>>;

export function isSection(value: unknown): value is Section {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Gathers what is wrong in all sections of a recipe, so that it is told together. */
export class Problems {
  private readonly issues: ConfigIssue[] = [];

  add(path: string, message: string, code: string): void {
    this.issues.push({ path, message, code });
  }

  addAll(issues: readonly ConfigIssue[]): void {
    this.issues.push(...issues);
  }

  /** Runs a check that throws its problems; they get the section's name in front. */
  collect<T>(path: string, check: () => T): T | undefined {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const issue of error.issues)
        this.issues.push({ ...issue, path: path === "" ? issue.path : `${path}.${issue.path}` });
      return undefined;
    }
  }

  /** A section's settings by its table; undefined when they are wrong. */
  resolve<F extends ConfigFields>(path: string, table: ConfigTable<F>, value: unknown): ConfigOf<F> | undefined {
    const section = this.section(path, value);
    return section && this.collect(path, () => table.resolve(section as ConfigInput<F>));
  }

  /** A section that may be left out. */
  section(path: string, value: unknown): Section | undefined {
    if (value === undefined || value === null) return {};
    if (isSection(value)) return value;
    this.add(path, `must be a section of settings; got ${showValue(value)}.`, "CONFIG_VALUE");
    return undefined;
  }

  /** Reports keys that a section does not have. */
  knownKeys(path: string, section: Section, known: readonly string[]): void {
    for (const key of Object.keys(section)) {
      if (known.includes(key)) continue;
      const near = nearestName(key, known);
      const hint = near === undefined ? `Known: ${known.join(", ")}.` : `Did you mean ${near}?`;
      this.add(path === "" ? key : `${path}.${key}`, `is not a setting. ${hint}`, "CONFIG_UNKNOWN_KEY");
    }
  }

  get isEmpty(): boolean {
    return this.issues.length === 0;
  }

  /** @throws {ConfigError} with everything that was found */
  raise(where: string): void {
    if (this.issues.length > 0) throw new ConfigError(where, this.issues);
  }
}
