/** @file A task's network and the heads of its pre-training over one and the same encoder. */
import { isCarried, type PretrainingModel } from "../models/model.ts";
import { type ForwardContext, Module, namedParameters, type Parameter } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";

/** Parameters under the names that they have elsewhere. */
class ParameterList extends Module {
  constructor(parameters: ReadonlyMap<string, Parameter>) {
    super();
    Object.assign(this, Object.fromEntries(parameters));
  }
}

/** What the names of the pre-training heads' parameters begin with in a joint model. */
const PREFIX = "languageHead.";

/** Parts that hold what is carried from pre-training to tasks. */
const carriedParts = ["encoder", "network"] as const;

/**
 * A task's network, whose parameters keep their names, with the pre-training heads of its family as `languageHead.…`.
 *
 * Both read texts with the task's encoder: a step of the joint loss moves it for both.
 */
export class JointModel<M extends Module> extends Module {
  readonly languageHead: Module;
  /** Not visited as parts: the names of parameters are those of the task's network. */
  readonly #task: M;
  readonly #language: PretrainingModel;
  readonly #shared: ReadonlyMap<Parameter, Parameter>;

  /** @param language a network of the same family and configuration that nobody else uses; or the task's own */
  constructor(task: M, language: PretrainingModel) {
    super();
    Object.assign(this, task);
    const own = namedParameters(task);
    const shared = new Map<Parameter, Parameter>();
    const heads = new Map<string, Parameter>();
    const isSame = (language as Module) === task;
    for (const [name, parameter] of isSame ? [] : namedParameters(language)) {
      const twin = isCarried(name) ? own.get(name) : undefined;
      if (twin !== undefined) shared.set(parameter, twin);
      else if (!isCarried(name)) heads.set(name, parameter);
    }
    // Not only the weights: what was put upon the task's layers holds in both.
    for (const part of isSame ? [] : carriedParts) {
      const encoder: unknown = Reflect.get(task, part);
      if (Object.hasOwn(task, part) && Object.hasOwn(language, part)) Object.assign(language, { [part]: encoder });
    }
    this.languageHead = new ParameterList(heads);
    this.#task = task;
    this.#language = language;
    this.#shared = shared;
  }

  get task(): M {
    return this.#task;
  }

  get language(): PretrainingModel {
    return this.#language;
  }

  /** The context in which the heads find the weights of the task's network where they use them (tied words). */
  languageContext(context: ForwardContext): ForwardContext {
    return {
      training: context.training,
      parameter: (parameter) => context.parameter(this.#shared.get(parameter) ?? parameter),
      randomKey: () => context.randomKey(),
      layer: (run, x) => context.layer(run, x),
    };
  }

  /** The weights to begin with: the task's, and those of the heads by their names in pre-training. */
  weights(task: Weights, language: Weights): Weights {
    const heads = Object.keys(this.languageHead).filter((name) => name !== "isModule");
    return new Map([...task, ...heads.map((name) => [`${PREFIX}${name}`, language.get(name)!] as const)]);
  }

  /** The task's part of a joint model's weights. */
  taskWeights(weights: Weights): Weights {
    return new Map([...weights].filter(([name]) => !name.startsWith(PREFIX)));
  }
}
