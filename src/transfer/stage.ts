/** @file What trains when: the stages of a run, from a strategy, the layer groups and the run's length. */
import type { ConfigIssue } from "../base/errors.ts";
import type { LayerGroup } from "./layer-group.ts";
import type { ResolvedUnfreezing } from "./resolve-strategy.ts";

/** A group in a stage, as far as it is trained. */
export interface StageGroup {
  readonly name: string;
  /** Multiplies the learning rate. */
  readonly learningRateScale: number;
  readonly parameters: readonly string[];
}

/** A part of a run in which the same parameters are trained. */
export interface Stage {
  /** The steps that it holds, from 1. */
  readonly firstStep: number;
  readonly lastStep: number;
  /** From the lowest to the highest. */
  readonly groups: readonly StageGroup[];
}

/** How long a run is, as far as it is known: in steps once the data are read. */
export interface RunLength {
  readonly maxSteps: number | null;
  readonly numEpochs: number | null;
  /** May have a fraction; undefined before the data are read. */
  readonly stepsPerEpoch: number | undefined;
}

/** Groups that begin to be trained together, in their order. */
function units(unfreezing: ResolvedUnfreezing | null, groups: readonly LayerGroup[]): LayerGroup[][] {
  if (unfreezing === null) return [[...groups]];
  const isNew = ({ kind }: LayerGroup): boolean => kind === "head" || kind === "pooler";
  const top = groups.filter(isNew);
  const below = groups.filter((group) => !isNew(group)).reverse();
  const lower =
    unfreezing.name === "gradual"
      ? below.map((group) => [group])
      : [below.filter(({ kind }) => kind === "layer"), below.filter(({ kind }) => kind === "embeddings")];
  return [top, ...lower].filter((unit) => unit.length > 0);
}

const namesOf = (unit: readonly LayerGroup[]): string => unit.map(({ name }) => name).join(", ");

/** When the units begin, in epochs or steps; the first at 0. */
function beginnings(
  unfreezing: ResolvedUnfreezing,
  count: number,
): { readonly at: number[]; readonly inEpochs: boolean } {
  if (unfreezing.name === "gradual") {
    const { everyEpochs, everySteps } = unfreezing;
    const inEpochs = everyEpochs !== null;
    const every = everyEpochs ?? everySteps ?? 1;
    return { at: Array.from({ length: count }, (_, i) => i * every), inEpochs };
  }
  const { atEpochs, atSteps } = unfreezing;
  return { at: [0, ...(atEpochs ?? atSteps ?? [])].slice(0, count), inEpochs: atEpochs !== null };
}

/** The run's length in one unit; undefined while it is not known. */
function lengthIn({ maxSteps, numEpochs, stepsPerEpoch }: RunLength, inEpochs: boolean): number | undefined {
  if (inEpochs) return numEpochs ?? (stepsPerEpoch && maxSteps! / stepsPerEpoch);
  return maxSteps ?? (stepsPerEpoch && Math.max(1, Math.ceil(numEpochs! * stepsPerEpoch)));
}

/** A number for people. */
const short = (value: number): string => String(Math.round(value * 100) / 100);

/** Unfreezing that the run is too short for, or that has no part to begin with; nothing where the length is not known. */
export function unfreezingIssues(
  unfreezing: ResolvedUnfreezing | null,
  groups: readonly LayerGroup[],
  length: RunLength,
): ConfigIssue[] {
  if (unfreezing === null) return [];
  const parts = units(unfreezing, groups);
  if (unfreezing.name === "sequential" && groups.every(({ kind }) => kind !== "head" && kind !== "pooler")) {
    const message = "begins with the head, which there is none of here. Use gradual.";
    return [{ path: "transfer.unfreezing.name", message, code: "MODEL_LACKS_PART" }];
  }
  const { at, inEpochs } = beginnings(unfreezing, parts.length);
  const whole = lengthIn(length, inEpochs);
  if (whole === undefined) return [];
  const late = parts.filter((_, i) => at[i]! >= whole);
  if (late.length === 0) return [];
  const unit = inEpochs ? "epochs" : "steps";
  const never = late.map(namesOf).join("; ");
  const message = `has ${parts.length} stages, the last of which begins after ${short(at.at(-1)!)} ${unit}; the run has ${short(whole)}. ${never} would never be trained: make the run longer, unfreeze sooner, or freeze them.`;
  return [{ path: "transfer.unfreezing", message, code: "UNFREEZING_TOO_LONG" }];
}

export interface StagePlan {
  readonly unfreezing: ResolvedUnfreezing | null;
  /** A group's rate is that of the one above divided by this. */
  readonly layerRateFactor: number;
  readonly groups: readonly LayerGroup[];
  /** Names of what stands still throughout. */
  readonly frozen: ReadonlySet<string>;
  readonly maxSteps: number;
  /** May have a fraction. */
  readonly stepsPerEpoch: number;
  /** Multiplies the rate of a parameter, by its name, where a task asks for that. */
  readonly rateOf?: ((name: string) => number) | undefined;
}

/** The groups without what is frozen; those that are frozen whole are left out. */
export function trainedGroups(groups: readonly LayerGroup[], frozen: ReadonlySet<string>): LayerGroup[] {
  return groups
    .map((group) => ({ ...group, parameters: group.parameters.filter((name) => !frozen.has(name)) }))
    .filter(({ parameters }) => parameters.length > 0);
}

/** A group in parts of one rate each. */
function byRate(
  { name, depth, parameters }: LayerGroup,
  layerRateFactor: number,
  rateOf: (name: string) => number,
): StageGroup[] {
  const factors = [...new Set(parameters.map(rateOf))];
  return factors.map((factor) => ({
    name: factor === 1 ? name : `${name} (rate × ${factor})`,
    learningRateScale: factor * layerRateFactor ** -depth,
    parameters: parameters.filter((parameter) => rateOf(parameter) === factor),
  }));
}

/**
 * The stages of a run, in their order. A group that begins in the middle of an epoch begins with the nearest step.
 * @param plan one of which `unfreezingIssues` knows nothing to say
 */
export function planStages(plan: StagePlan): Stage[] {
  const { unfreezing, layerRateFactor, frozen, maxSteps, stepsPerEpoch, rateOf = () => 1 } = plan;
  const groups = trainedGroups(plan.groups, frozen);
  const parts = units(unfreezing, groups);
  const { at, inEpochs } = unfreezing === null ? { at: [0], inEpochs: false } : beginnings(unfreezing, parts.length);
  const starts = at.map((value) => Math.min(maxSteps - 1, Math.round(inEpochs ? value * stepsPerEpoch : value)));
  const stages: Stage[] = [];
  const trained = new Set<LayerGroup>();
  for (const [i, part] of parts.entries()) {
    for (const group of part) trained.add(group);
    const [first, next] = [starts[i]!, starts[i + 1] ?? maxSteps];
    // Short stages may begin with the same step.
    if (next <= first && i < parts.length - 1) continue;
    stages.push({
      firstStep: first + 1,
      lastStep: next,
      groups: groups.filter((group) => trained.has(group)).flatMap((group) => byRate(group, layerRateFactor, rateOf)),
    });
  }
  return stages;
}
