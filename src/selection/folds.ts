/** @file Divisions of training data that a seed decides: folds, held-out shares, and nested subsets. */
import { ConfigError } from "../base/errors.ts";
import { Random } from "../base/random.ts";

/** One item of the training data: a row, a sentence, a question. */
export interface DataUnit {
  /** Its number in the file, from 0. */
  readonly index: number;
  /** Items of one stratum are spread evenly, as those of a class; all alike when left out. */
  readonly stratum?: string | undefined;
  /** Items of one group stay together, as the questions to one text; each for itself when left out. */
  readonly group?: string | undefined;
}

/** Units that stay together. */
interface Cluster {
  readonly units: readonly DataUnit[];
  readonly stratum: string;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Units by their groups, in the order of the first of each. */
function clustersOf(units: readonly DataUnit[]): Cluster[] {
  const groups = new Map<string, DataUnit[]>();
  const clusters: Cluster[] = [];
  for (const unit of units) {
    const known = unit.group === undefined ? undefined : groups.get(unit.group);
    if (known !== undefined) {
      known.push(unit);
      continue;
    }
    const own = [unit];
    if (unit.group !== undefined) groups.set(unit.group, own);
    clusters.push({ units: own, stratum: unit.stratum ?? "" });
  }
  return clusters;
}

/** Clusters by stratum in lasting order, each shuffled by a stream of its own. */
function shuffledStrata(units: readonly DataUnit[], seed: number, purpose: string): Cluster[][] {
  const strata = new Map<string, Cluster[]>();
  for (const cluster of clustersOf(units)) {
    const own = strata.get(cluster.stratum);
    if (own === undefined) strata.set(cluster.stratum, [cluster]);
    else own.push(cluster);
  }
  return [...strata]
    .sort(([a], [b]) => compare(a, b))
    .map(([name, clusters]) => new Random(seed, purpose, name).shuffle(clusters));
}

/**
 * The fold of each unit: every class is spread evenly (numbers differ by one at most where units have no groups), and so are all
 * units together. Groups are dealt the largest first, each to the fold that is smallest then.
 * @param numFolds at least 2, at most the number of units or groups
 * @returns `[units]`, in [0, numFolds)
 * @throws {ConfigError} FOLDS_TOO_MANY, CONFIG_RANGE
 */
export function assignFolds(units: readonly DataUnit[], numFolds: number, seed: number): Int32Array {
  const strata = shuffledStrata(units, seed, "folds");
  const numClusters = strata.reduce((sum, own) => sum + own.length, 0);
  const refuse = (message: string, code: string): never => {
    throw new ConfigError("folds", [{ path: "folds", message, code }]);
  };
  if (!(Number.isInteger(numFolds) && numFolds >= 2))
    refuse(`must be a whole number ≥ 2; got ${numFolds}.`, "CONFIG_RANGE");
  if (numFolds > numClusters) {
    const what = numClusters < units.length ? "groups of items" : "items";
    refuse(`must be at most the number of ${what}; got ${numFolds} and ${numClusters}.`, "FOLDS_TOO_MANY");
  }
  const dealt = strata.flat();
  const isGrouped = dealt.some((cluster) => cluster.units.length > 1);
  const places = new Map<DataUnit, number>(units.map((unit, i) => [unit, i]));
  const folds = new Int32Array(units.length);
  const sizes = new Array<number>(numFolds).fill(0);
  // Stable: among groups of one size the shuffled order stays.
  const ordered = isGrouped ? [...dealt].sort((a, b) => b.units.length - a.units.length) : dealt;
  ordered.forEach((cluster, i) => {
    const fold = isGrouped ? sizes.indexOf(Math.min(...sizes)) : i % numFolds;
    sizes[fold]! += cluster.units.length;
    for (const unit of cluster.units) folds[places.get(unit)!] = fold;
  });
  return folds;
}

/**
 * Units in an order whose every beginning has the classes in about their shares, groups staying together: subsets of growing
 * size are nested.
 */
export function nestedOrder(units: readonly DataUnit[], seed: number): DataUnit[] {
  const placed = shuffledStrata(units, seed, "subset").flatMap((clusters, stratum) =>
    clusters.map((cluster, i) => ({ cluster, place: (i + 0.5) / clusters.length, stratum })),
  );
  return placed.sort((a, b) => a.place - b.place || a.stratum - b.stratum).flatMap(({ cluster }) => cluster.units);
}

/** How many units a share of them is: rounded, one at least. @param share in (0, 1] */
export function shareSize(share: number, numUnits: number): number {
  return Math.min(numUnits, Math.max(1, Math.round(share * numUnits)));
}

/**
 * A part that is held out of units, and the rest; groups stay together, so that it may be a little larger than asked.
 * @param share in (0, 1)
 */
export function holdOut(
  units: readonly DataUnit[],
  share: number,
  seed: number,
): { readonly held: readonly DataUnit[]; readonly rest: readonly DataUnit[] } {
  const order = nestedOrder(units, seed);
  let size = shareSize(share, units.length);
  while (size < order.length && order[size]!.group !== undefined && order[size]!.group === order[size - 1]!.group)
    size++;
  const held = new Set(order.slice(0, size));
  return { held: units.filter((unit) => held.has(unit)), rest: units.filter((unit) => !held.has(unit)) };
}

/** The parts that one fold of a cross-validation is made of; no unit is in two of them. */
export interface FoldParts {
  readonly fold: number;
  readonly train: readonly DataUnit[];
  /** Decides which weights are kept and when to stop; empty where nothing is chosen. */
  readonly dev: readonly DataUnit[];
  /** Is looked at once, in the end. */
  readonly test: readonly DataUnit[];
}

/** @param devShare share of a fold's training part that is kept apart for choosing; 0: none */
export function foldParts(
  units: readonly DataUnit[],
  { folds, seed, devShare }: { readonly folds: number; readonly seed: number; readonly devShare: number },
): FoldParts[] {
  const assigned = assignFolds(units, folds, seed);
  return Array.from({ length: folds }, (_, fold) => {
    const test = units.filter((_unit, i) => assigned[i] === fold);
    const others = units.filter((_unit, i) => assigned[i] !== fold);
    if (devShare === 0) return { fold, train: others, dev: [], test };
    const { held, rest } = holdOut(others, devShare, seed + fold + 1);
    return { fold, train: rest, dev: held, test };
  });
}
