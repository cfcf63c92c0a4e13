import { ConfigError, type ConfigIssue, FirthError } from "../base/errors.ts";
import { attachAdapter, movesWithAdapter } from "../models/adapter/attach.ts";
import type { ModelState } from "../models/family.ts";
import { isCarried } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { frozenParameters } from "../transfer/frozen.ts";
import { isLanguageModel, languageLearning } from "../transfer/language-text.ts";
import { layerGroups, usedGroups } from "../transfer/layer-group.ts";
import type { ResolvedStrategy } from "../transfer/resolve-strategy.ts";
import { trainedGroups, unfreezingIssues } from "../transfer/stage.ts";
import type { ResolvedFinetune } from "./finetune-option.ts";
import type { LanguageSource } from "./transfer-run.ts";

/** Why the start's family cannot model the task's language. */
function languageIssues(
  source: Omit<LanguageSource<never>, "textsOf"> | undefined,
  strategy: ResolvedStrategy,
  { family, config, module }: TaskNetwork,
): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  for (const key of ["auxiliary", "languageTuning"] as const) {
    const section = strategy[key];
    if (section === null) continue;
    const path = `transfer.${key}`;
    if (source === undefined) {
      issues.push({ path, message: "is not there for this task. Leave it out.", code: "STRATEGY_UNSUPPORTED" });
      continue;
    }
    const { tokenizer, maxSeqLength, packed, language, name } = source;
    const model = isLanguageModel(module) ? module : family.pretraining(config);
    try {
      const options = { tokenizer, maxSeqLength, packed, maskProbability: section.maskProbability };
      const { objective } = languageLearning(model, options);
      for (const { path: part, message, code } of objective.modelIssues(model)) {
        issues.push({ path, message: `${part} ${message}`, code });
      }
    } catch (error) {
      if (!(error instanceof FirthError)) throw error;
      issues.push({ path, message: error.message, code: error.code });
    }
    if (strategy.fromScratch) continue;
    // Of pre-training's heads, that of pairs of sentences is not used.
    const needed = (language?.newParameters ?? []).filter((part) => !isCarried(part) && !/^sequencePair\./.test(part));
    if (language !== undefined && needed.length === 0) continue;
    const parts = [...new Set(needed.map((part) => part.split(".")[0]))].join(", ");
    const what = language === undefined ? "heads of pre-training" : `part ${parts}`;
    const message = `needs the model's head for language, but ${name} has no ${what}. Start from a pre-trained model that has it.`;
    issues.push({ path, message, code: "MODEL_LACKS_PART" });
  }
  return issues;
}

/** What a task puts around the network of a family. */
export interface TaskSurroundings<M extends Module = Module> {
  /** The network that is trained, made from the family's. */
  readonly around: (network: M) => Module;
  /** Whether the task never uses a parameter of that, by its name. */
  readonly isUnused: (network: Module) => (name: string) => boolean;
}

/** A family's network for a task. */
type TaskNetwork<M extends Module = Module> = Omit<ModelState<M>, "weights">;

/** The network, or undefined where the family has none: then the problems are added. */
function builtNetwork<M extends Module>(
  build: () => TaskNetwork<M>,
  issues: ConfigIssue[],
): TaskNetwork<M> | undefined {
  try {
    return build();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues);
    return undefined;
  }
}

/** The network with an adapter, where one is asked for. @throws {ConfigError} ADAPTER_TARGET */
function adapted<M extends Module>(network: TaskNetwork<M>, adapter: ResolvedFinetune["adapter"]): TaskNetwork<M> {
  if (adapter === undefined) return network;
  const { family, config } = network;
  const module = family.rebuild(network.module, config);
  attachAdapter(module, adapter, { map: family.weightMap(config), family: family.name });
  return { family, config, module };
}

/**
 * What of a strategy does not fit a model or the length of a run, as far as it can be told before the data are read.
 * @param build gives the task's network; its head may have any number of classes
 */
export function strategyIssues<M extends Module>(
  build: () => TaskNetwork<M>,
  source: Omit<LanguageSource<never>, "textsOf"> | undefined,
  {
    strategy,
    treatment,
    adapter,
    train: options,
  }: Pick<ResolvedFinetune, "strategy" | "treatment" | "adapter" | "train">,
  surroundings?: TaskSurroundings<M>,
): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const network = builtNetwork(() => adapted(build(), adapter), issues);
  if (network === undefined) return issues;
  const module = surroundings?.around(network.module) ?? network.module;
  const usesGroups = strategy.freeze !== "none" || strategy.unfreezing !== null || strategy.layerRateFactor !== 1;
  if (treatment !== undefined && usesGroups) {
    const message =
      "says itself how each parameter is trained. Leave out freeze, unfreezing and layerRateFactor, or it.";
    issues.push({ path: "treatment", message, code: "CONFIG_AMBIGUOUS" });
  } else if (usesGroups) {
    const groups = usedGroups(layerGroups(module), surroundings?.isUnused(module));
    const moves = adapter === undefined ? () => true : movesWithAdapter(module);
    const still = groups.flatMap(({ parameters }) => parameters.filter((name) => !moves(name)));
    const frozen = new Set([...still, ...frozenParameters(strategy.freeze, groups, issues)]);
    if (issues.length === 0 && options !== undefined) {
      const length = { ...options, stepsPerEpoch: undefined };
      issues.push(...unfreezingIssues(strategy.unfreezing, trainedGroups(groups, frozen), length));
    }
  }
  return [...issues, ...languageIssues(source, strategy, { ...network, module })];
}
