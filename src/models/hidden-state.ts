/** @file Which parameters of a network the hidden states of its encoder come from. */
import { type Module, namedParameters } from "../nn/module.ts";
import type { Encoder } from "./model.ts";

/** Names of the parameters of a network's encoder but for its pooler's: heads and a decoder have no part in hidden states. */
export function hiddenStateParameters(model: Module & { readonly encoder: Encoder }): ReadonlySet<string> {
  const { encoder } = model as { readonly encoder: Encoder & { readonly pooler?: Module | undefined } };
  const used = new Set(namedParameters(encoder).values());
  if (encoder.pooler !== undefined) for (const own of namedParameters(encoder.pooler).values()) used.delete(own);
  return new Set([...namedParameters(model)].flatMap(([name, own]) => (used.has(own) ? [name] : [])));
}
