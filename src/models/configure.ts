import { ConfigError, nearestName } from "../base/errors.ts";
import type { ConfigFields, ConfigInput, ConfigOf } from "../formats/config-fields.ts";
import type { ConfigTable } from "../formats/config-table.ts";

/** Published sizes of a family, by name. */
export type Presets<F extends ConfigFields> = Readonly<Record<string, ConfigInput<F>>>;

/** What settings are checked by. */
export interface Configurable<F extends ConfigFields> {
  readonly name: string;
  readonly table: ConfigTable<F>;
  readonly presets: Presets<F>;
  /** Settings that follow from others, for those not given. */
  readonly complete?: (input: ConfigInput<F>) => ConfigInput<F>;
}

/**
 * A whole, checked configuration: own settings over those of a published size over those below.
 * @param below settings that come with a tokenizer
 * @throws {ConfigError} all problems together
 */
export function configure<F extends ConfigFields>(
  { name, table, presets, complete = (input) => input }: Configurable<F>,
  { preset, ...own }: Readonly<Record<string, unknown>> & { readonly preset?: string | null | undefined },
  below: ConfigInput<F> = {} as ConfigInput<F>,
): ConfigOf<F> {
  if (preset !== undefined && preset !== null && !Object.hasOwn(presets, preset)) {
    const hint = nearestName(preset, Object.keys(presets)) ?? Object.keys(presets).join(", ");
    const message = `is not a size of ${name}; got "${preset}". Use ${hint}.`;
    throw new ConfigError(name, [{ path: "preset", message, code: "CONFIG_UNKNOWN_VALUE" }]);
  }
  const size = preset === undefined || preset === null ? {} : presets[preset];
  return table.resolve(complete({ ...below, ...size, ...own } as ConfigInput<F>));
}
