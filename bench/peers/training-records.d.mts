export interface TrainingSide {
  readonly id: string;
  readonly ours: boolean;
  /** Why it did not run. */
  readonly absent?: string;
}

export interface TrainingTable {
  readonly work: { readonly name: string };
  readonly date: string;
  readonly time?: string;
  readonly sides: readonly TrainingSide[];
  readonly pairs?: readonly (readonly [string, string])[];
}

export function pairsOf(table: TrainingTable): readonly (readonly [string, string])[];
export function newestTables(
  records: readonly (TrainingTable | (Omit<TrainingTable, "sides"> & { readonly groups: readonly TrainingSide[][] }))[],
): readonly TrainingTable[];
