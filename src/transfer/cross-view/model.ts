/** @file A task's network, and beside it the modules that predict from a part of what it sees. */
import type { Encoder } from "../../models/model.ts";
import type { Initializer } from "../../nn/initializer.ts";
import { truncatedNormal } from "../../nn/initializer.ts";
import { Linear } from "../../nn/layers.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import { initialWeights, type Weights } from "../../nn/weights.ts";
import { relu } from "../../tensor/elementwise.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** A prediction from a view: a layer with ReLU and a linear one. @source Clark et al. 2018 §3.1, arXiv:1809.08370 */
export class ViewHead extends Module {
  readonly dense: Linear;
  readonly output: Linear;

  /** @param inputSize of the states that the view reads */
  constructor(inputSize: number, hiddenSize: number, numOutputs: number, init: Initializer = truncatedNormal(0.02)) {
    super();
    this.dense = new Linear(inputSize, hiddenSize, init);
    this.output = new Linear(hiddenSize, numOutputs, init);
  }

  /** `[P, H]` → `[P, numOutputs]`. */
  apply(context: ForwardContext, hidden: Tensor): Tensor {
    return this.output.apply(context, relu(this.dense.apply(context, hidden)));
  }
}

/** Modules by their names. */
class Named extends Module {
  constructor(parts: Readonly<Record<string, Module>>) {
    super();
    Object.assign(this, parts);
  }
}

/** What the names of the views' parameters begin with. */
export const VIEWS_PREFIX = "views.";

/** A network whose encoder others may read. */
export type EncodingModel = Module & { readonly encoder: Encoder };

/** A task's network, whose parameters keep their names, with the views' modules as `views.<task>.<view>.…`. */
export class CrossViewModel<M extends EncodingModel> extends Module {
  /** Not visited as a part: the names of parameters are those of the task's network. */
  readonly #task: M;
  readonly #heads: ReadonlyMap<string, ViewHead>;
  readonly views!: Module;

  /** @param heads by `<task>.<view>`, where the task's name may be empty */
  constructor(task: M, heads: ReadonlyMap<string, ViewHead>) {
    super();
    for (const [key, value] of Object.entries(task)) Object.defineProperty(this, key, { value, enumerable: true });
    const named = Object.fromEntries([...heads].map(([name, head]) => [name.replace(/^\./, ""), head]));
    Object.defineProperty(this, "views", { value: new Named(named), enumerable: true });
    this.#task = task;
    this.#heads = heads;
  }

  get encoder(): Encoder {
    return this.#task.encoder;
  }

  get task(): M {
    return this.#task;
  }

  /** The module of a task's view. */
  head(name: string): ViewHead {
    return this.#heads.get(name)!;
  }

  /** The weights to begin with: the task's, and new ones for the views. */
  weights(task: Weights, seed: number): Weights {
    const fresh = [...initialWeights(this, seed)].filter(([name]) => name.startsWith(VIEWS_PREFIX));
    return new Map([...task, ...fresh]);
  }

  /** The task's part of the weights. */
  taskWeights(weights: Weights): Weights {
    return new Map([...weights].filter(([name]) => !name.startsWith(VIEWS_PREFIX)));
  }
}
