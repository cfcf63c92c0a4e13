/** @file What is known of a library that runs StableHLO text before it is opened. */

/** Devices that XLA compiles for, as plugins call them. */
export const xlaPlatforms = ["cpu", "cuda", "rocm", "tpu"] as const;
export type XlaPlatform = (typeof xlaPlatforms)[number];

/** A library that was found. */
export interface XlaLibrary {
  /** A plugin with the PJRT C interface, or TensorFlow's library, which has it not. */
  readonly kind: "pjrt" | "tensorflow";
  readonly platform: XlaPlatform;
  /** The file, as an absolute path. */
  readonly path: string;
  /** Who named it or where it lay: for people, as in “found by …”. */
  readonly foundBy: string;
}

/** Why there is no library. */
export interface XlaLibraryProblem {
  /** In the form of an error's message, with what to do. */
  readonly problem: string;
  /** Every place that was looked at, in order. */
  readonly searched: readonly string[];
}

/** Where to look. */
export interface XlaLibrarySettings {
  /** The plugin's file as it was set (`engine.plugin`): nothing else is looked at. */
  readonly plugin?: string | undefined;
  /** Variables of the process; those of this one when left out (`FIRTH_PJRT_PLUGIN`, `VIRTUAL_ENV`, `CONDA_PREFIX`, `PATH`, …). */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where `firth engine install` puts plugins; a folder of this user when left out. */
  readonly engineFolder?: string | undefined;
}
