/** @file One encoder under the heads of several tasks. */
import { internalError } from "../base/errors.ts";
import { truncatedNormal } from "../nn/initializer.ts";
import { type ForwardContext, Module, Parameter } from "../nn/module.ts";
import { pairTokens, StochasticAnswerNetwork } from "../nn/stochastic-answer.ts";
import type { Weights } from "../nn/weights.ts";
import { logistic } from "../tensor/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ModelFamily } from "./family.ts";
import { type ClassificationModel, type Encoder, isCarried, type TokenModel } from "./model.ts";

/** How a stochastic answer network reads. */
export interface StochasticAnswerSettings {
  readonly kind: "stochasticAnswer";
  readonly numSteps: number;
  readonly stepDropout: number;
  readonly dropout: number;
}

/** The family's own head over every token; with `crf` neighbouring classes are scored too. */
export interface TokenHeadSettings {
  readonly kind: "tokenClassification";
  readonly crf: boolean;
}

/** What stands upon the encoder for a task of texts. */
export type TextHeadSettings = { readonly kind: "linear" | "relevance" } | StochasticAnswerSettings;

/**
 * What stands upon the encoder for a task: the family's own linear head; that with a sigmoid behind it, for relevance; a
 * network that reads pairs of texts in several steps; or a head over every token.
 */
export type HeadSettings = TextHeadSettings | TokenHeadSettings;

/** A task as a network knows it. */
export interface TaskShape {
  readonly numLabels: number;
  readonly head: HeadSettings;
}

/** A network's modules that are carried between tasks, or those that are not. */
function partsOf(network: Module, carried: boolean): Readonly<Record<string, unknown>> {
  const isPart = (value: unknown): boolean =>
    value instanceof Module || value instanceof Parameter || Array.isArray(value);
  const entries: readonly (readonly [string, unknown])[] = Object.entries(network);
  return Object.fromEntries(entries.filter(([key, value]) => isPart(value) && isCarried(`${key}.`) === carried));
}

/** Gives a module parts as its own, even where its class has a getter of the name. */
function adopt(module: Module, parts: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(parts)) Object.defineProperty(module, key, { value, enumerable: true });
}

/** A family's own head, without the encoder that it was built with. */
class FamilyHead extends Module {
  readonly #network: ClassificationModel;

  constructor(network: ClassificationModel) {
    super();
    this.#network = network;
    adopt(this, partsOf(network, false));
  }

  logits(context: ForwardContext, pooled: Tensor): Tensor {
    return this.#network.classificationLogits(context, pooled);
  }
}

/** A family's own head over every token, without the encoder that it was built with. */
class TokenHead extends Module {
  readonly #network: TokenModel;

  constructor(network: TokenModel) {
    super();
    this.#network = network;
    adopt(this, partsOf(network, false));
  }

  get network(): TokenModel {
    return this.#network;
  }
}

type TextHead = FamilyHead | StochasticAnswerNetwork;
type Head = TextHead | TokenHead;

function buildHead(family: ModelFamily, config: unknown, { numLabels, head }: TaskShape): Head {
  if (head.kind === "tokenClassification") {
    return new TokenHead(family.tokenClassification(config, numLabels, { crf: head.crf }));
  }
  if (head.kind !== "stochasticAnswer") return new FamilyHead(family.classification(config, numLabels));
  const { hiddenSize } = family.facts(config);
  const { numSteps, stepDropout, dropout } = head;
  return new StochasticAnswerNetwork({
    ...{ hiddenSize, numLabels, numSteps, stepDropout, dropout },
    init: truncatedNormal(0.02),
  });
}

/** One task's head on an encoder. */
class TaskModel extends Module implements ClassificationModel {
  readonly head: TextHead;
  readonly numLabels: number;
  readonly pairLogits?: NonNullable<ClassificationModel["pairLogits"]>;
  readonly #base: ClassificationModel;
  readonly #squashes: boolean;

  /** @param base whose encoder it is */
  constructor(base: ClassificationModel, { numLabels, head: settings }: TaskShape, head: TextHead) {
    super();
    this.#base = base;
    this.#squashes = settings.kind === "relevance";
    adopt(this, partsOf(base, true));
    this.head = head;
    this.numLabels = numLabels;
    if (head instanceof StochasticAnswerNetwork) {
      this.pairLogits = (context, inputs, pairs) => {
        const { lastHiddenState } = this.encoder.encode(context, inputs);
        return head.apply(context, pairTokens(lastHiddenState, { sequenceIds: inputs.sequenceIds, ...pairs }));
      };
    }
  }

  get encoder(): Encoder {
    return this.#base.encoder;
  }

  classificationLogits(context: ForwardContext, pooled: Tensor): Tensor {
    if (this.head instanceof StochasticAnswerNetwork) {
      throw internalError("a head that reads pairs of texts was given pooled vectors");
    }
    const logits = this.head.logits(context, pooled);
    return this.#squashes ? logistic(logits) : logits;
  }
}

/** One tagger's head on an encoder. */
class TaskTokenModel extends Module implements TokenModel {
  readonly head: TokenHead;
  readonly tokenHead = "tokenClassification";
  readonly numOutputs: number;
  readonly #base: ClassificationModel;

  /** @param base whose encoder it is */
  constructor(base: ClassificationModel, { numLabels }: TaskShape, head: TokenHead) {
    super();
    this.#base = base;
    adopt(this, partsOf(base, true));
    this.head = head;
    this.numOutputs = numLabels;
  }

  get encoder(): Encoder {
    return this.#base.encoder;
  }

  get crf(): TokenModel["crf"] {
    return this.head.network.crf;
  }

  tokenLogits(context: ForwardContext, hidden: Tensor): Tensor {
    return this.head.network.tokenLogits(context, hidden);
  }
}

/** Heads by the names of their tasks. */
class HeadSet extends Module {
  constructor(heads: ReadonlyMap<string, Head>) {
    super();
    adopt(this, Object.fromEntries(heads));
  }
}

/**
 * One encoder that several tasks share, and a head for each. The encoder's parameters have their family's names, those of
 * heads are called `heads.<task>.…`.
 * @source Liu, He, Chen & Gao 2019, MT-DNN, arXiv:1901.11504
 */
export class MultiTaskModel extends Module {
  readonly heads: Module;
  readonly #base: ClassificationModel;
  readonly #tasks: ReadonlyMap<string, TaskModel | TaskTokenModel>;

  constructor(family: ModelFamily, config: unknown, tasks: Readonly<Record<string, TaskShape>>) {
    super();
    this.#base = family.classification(config, 1);
    adopt(this, partsOf(this.#base, true));
    const heads = new Map(Object.entries(tasks).map(([name, shape]) => [name, buildHead(family, config, shape)]));
    this.heads = new HeadSet(heads);
    this.#tasks = new Map(
      [...heads].map(([name, head]) => {
        const shape = tasks[name]!;
        const isToken = head instanceof TokenHead;
        return [name, isToken ? new TaskTokenModel(this.#base, shape, head) : new TaskModel(this.#base, shape, head)];
      }),
    );
  }

  get encoder(): Encoder {
    return this.#base.encoder;
  }

  /** The network of one task of texts: the shared encoder under its head. */
  task(name: string): ClassificationModel {
    const found = this.#tasks.get(name);
    if (found instanceof TaskModel) return found;
    throw internalError(`the model has no task of texts "${name}"`);
  }

  /** The network of one tagger: the shared encoder under its head. */
  tagger(name: string): TokenModel {
    const found = this.#tasks.get(name);
    if (found instanceof TaskTokenModel) return found;
    throw internalError(`the model has no tagger "${name}"`);
  }
}

/** What the names of a task's own parameters begin with. */
export function headPrefix(task: string): string {
  return `heads.${task}.`;
}

/** A network of one task of texts alone, with an encoder of its own: the family's own classifier where that is all it needs. */
export function taskNetwork(family: ModelFamily, config: unknown, shape: TaskShape): ClassificationModel {
  const base = family.classification(config, shape.numLabels);
  if (shape.head.kind === "linear") return base;
  const head = buildHead(family, config, shape);
  if (head instanceof TokenHead) throw internalError("a tagger was taken for a task of texts");
  return new TaskModel(base, shape, head);
}

/** The weights of one task by the names of {@link taskNetwork}, or of the family's own tagger. */
export function taskWeights(weights: Weights, task: string, { head }: TaskShape): Weights {
  const prefix = headPrefix(task);
  const own = head.kind === "linear" || head.kind === "tokenClassification" ? "" : "head.";
  return new Map(
    [...weights].flatMap(([name, data]) => {
      if (isCarried(name)) return [[name, data] as const];
      return name.startsWith(prefix) ? [[own + name.slice(prefix.length), data] as const] : [];
    }),
  );
}

/** The carried part of a network, without any head. */
export class CarriedPart extends Module {
  constructor(network: Module) {
    super();
    adopt(this, partsOf(network, true));
  }
}
