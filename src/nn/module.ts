import { internalError } from "../base/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Initializer } from "./initializer.ts";

/** One trainable tensor of a module; its numbers live elsewhere, by name. */
export class Parameter {
  readonly shape: readonly number[];
  readonly init: Initializer;
  /** Whether weight decay applies: not to biases and normalisation gains. */
  readonly decays: boolean;
  /** Whether its numbers come with the model and stay: training never moves them. */
  readonly isFixed: boolean;

  constructor(
    shape: readonly number[],
    init: Initializer,
    options: { readonly decays: boolean; readonly isFixed?: boolean },
  ) {
    this.shape = shape;
    this.init = init;
    this.decays = options.decays;
    this.isFixed = options.isFixed ?? false;
  }
}

/** A piece of a network: parameters and further modules as properties, whose paths are the parameters' names. */
export abstract class Module {
  /** Marks modules to the type system; carries nothing. */
  readonly isModule = true;
}

/** What a module needs while a graph is traced. */
export interface ForwardContext {
  /** Dropout happens only in training. */
  readonly training: boolean;
  parameter(parameter: Parameter): Tensor;
  /** A linear layer's weight in 8 bits, where the model is run so: i8 `[I, O]` and its scale `[O]`. */
  quantized?(weight: Parameter): { readonly levels: Tensor; readonly scale: Tensor } | undefined;
  /** A fresh random key u32[2]. @throws outside training */
  randomKey(): Tensor;
  /** The same weights as constants, and no dropout: what is computed with them has no gradient. Only while a loss is traced. */
  constant?(): ForwardContext;
  /**
   * Runs one of an encoder's layers. Where the run saves memory so, what the layer computes inside is not kept for the
   * backward pass but computed again there; the numbers are the same.
   */
  layer(run: (x: Tensor) => Tensor, x: Tensor): Tensor;
}

/**
 * Every parameter below a module with its name: property names and list positions joined by dots.
 * A parameter reached twice (tied weights) appears once, under its first name.
 */
export function namedParameters(root: Module): Map<string, Parameter> {
  const found = new Map<string, Parameter>();
  const seen = new Set<object>();
  const visit = (item: unknown, path: string): void => {
    if (item === null || typeof item !== "object" || seen.has(item)) return;
    if (item instanceof Parameter) {
      seen.add(item);
      found.set(path, item);
    } else if (item instanceof Module || Array.isArray(item)) {
      seen.add(item);
      for (const [key, child] of Object.entries(item)) visit(child, path === "" ? key : `${path}.${key}`);
    }
  };
  visit(root, "");
  if (found.size === 0) throw internalError("a module without parameters was given as a model");
  return found;
}

/** Every module below one with its path, as parameters are named; a module reached twice appears once, under its first path. */
export function namedModules(root: Module): Map<Module, string> {
  const found = new Map<Module, string>();
  const visit = (item: unknown, path: string): void => {
    if (item === null || typeof item !== "object") return;
    if (item instanceof Module) {
      if (found.has(item)) return;
      found.set(item, path);
    } else if (!Array.isArray(item)) return;
    for (const [key, child] of Object.entries(item)) visit(child, path === "" ? key : `${path}.${key}`);
  };
  visit(root, "");
  return found;
}
