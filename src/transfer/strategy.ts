/**
 * @file How a pre-trained model reaches a task: what is trained, when, how fast, and with what extra loss.
 *
 * A strategy is plain data, so that it can stand in a recipe, name a run and be composed by spreading:
 * `{ ...gradualUnfreezing(), ...discriminativeRates(), ...slantedTriangular() }`.
 */

/**
 * What stands still from the first step to the last: `none`; `encoder`, all but pooler and head (in a model that writes
 * and has no head: all but the decoder's layers); or a list of `embeddings`, `layers`, `encoder`, `decoder`, `pooler`,
 * `head`, layer numbers (`3`), ranges (`"0-5"`), layers of one stack (`"decoder.layers.0-2"`) and names of parameters or
 * modules, in which `*` stands for anything (`"*.attention.*"`).
 */
export type Freeze = "none" | "encoder" | readonly (string | number)[];

/**
 * The head (with the pooler) first, then one layer more at a time from the top, the embeddings last.
 * @source Howard & Ruder 2018 §3.3, arXiv:1801.06146
 */
export interface GradualUnfreezing {
  readonly name: "gradual";
  /** Epochs until the next group joins; 1 by default. */
  readonly everyEpochs?: number | null | undefined;
  /** Steps until the next group joins, instead of epochs. */
  readonly everySteps?: number | null | undefined;
}

/**
 * Three stages: what is new, then the layers too, then the embeddings too.
 * @source Chronopoulou et al. 2019 §3.3, arXiv:1902.10547
 */
export interface SequentialUnfreezing {
  readonly name: "sequential";
  /** Epochs after which the layers join, and after which the embeddings do; 1 and 2 by default. */
  readonly atEpochs?: readonly number[] | null | undefined;
  /** The same in steps, instead of epochs. */
  readonly atSteps?: readonly number[] | null | undefined;
}

export type Unfreezing = GradualUnfreezing | SequentialUnfreezing;

/**
 * A short linear rise and a long linear fall, from a fraction of the peak rate to it and back; replaces the warm-up and
 * decay of the training options.
 * @source Howard & Ruder 2018 §3.2, arXiv:1801.06146
 */
export interface SlantedTriangular {
  readonly name: "slantedTriangular";
  /** Share of the steps that rise; 0.1 by default. */
  readonly cut?: number | undefined;
  /** The peak rate over the lowest; 32 by default. */
  readonly ratio?: number | undefined;
}

/**
 * The loss of the model's own pre-training beside the task's, on the task's texts: masked words for encoders, next words
 * for networks that read from left to right, denoising for encoder–decoders. It computes a second pass over the texts.
 * @source Radford et al. 2018 §3.2 (0.5 throughout); Chronopoulou et al. 2019 §3.2, arXiv:1902.10547 (0.2 to 0.1)
 */
export interface AuxiliaryLanguageModeling {
  /** Its factor in the loss at the first step; 0.5 by default. */
  readonly weight?: number | undefined;
  /** Its factor at the end, which it reaches exponentially; as at the first step when left out. */
  readonly finalWeight?: number | null | undefined;
  /** Share of the tokens that is masked, where words are; 0.15 by default. */
  readonly maskProbability?: number | undefined;
}

/**
 * Goes on with the model's pre-training on the task's own texts, labels unseen, before the task is learned. The strategy's
 * schedule and layer rates hold there too; nothing is frozen.
 * @source Howard & Ruder 2018 §3.2, arXiv:1801.06146
 */
export interface LanguageTuning {
  /** Passes over the texts; 1 by default. */
  readonly numEpochs?: number | null | undefined;
  /** Steps, instead of passes. */
  readonly maxSteps?: number | null | undefined;
  /** Peak rate; that of the task by default. */
  readonly learningRate?: number | null | undefined;
  /** Texts a step; as many as the task's by default. */
  readonly batchSize?: number | null | undefined;
  /** Share of the tokens that is masked, where words are; 0.15 by default. */
  readonly maskProbability?: number | undefined;
}

/** What is trained, when, how fast, and with what extra loss; everything from the start and alike where nothing is said. */
export interface Strategy {
  /** The control: the same network with new weights from the seed. */
  readonly fromScratch?: boolean | undefined;
  /** What stands still throughout; `none` by default. */
  readonly freeze?: Freeze | undefined;
  /** When parts of the model begin to be trained; null: all from the first step. */
  readonly unfreezing?: Unfreezing | null | undefined;
  /** A layer's rate is that of the one above it divided by this; 1, all alike, by default. ULMFiT: 2.6. */
  readonly layerRateFactor?: number | undefined;
  /** How the rate goes over the steps; null: by the training options' warm-up and decay. */
  readonly schedule?: SlantedTriangular | null | undefined;
  readonly auxiliary?: AuxiliaryLanguageModeling | null | undefined;
  readonly languageTuning?: LanguageTuning | null | undefined;
}

type Options<T> = Omit<T, "name">;

/** Unfreezes from the top, a group at a time. */
export const gradualUnfreezing = (options: Options<GradualUnfreezing> = {}): Strategy => ({
  unfreezing: { name: "gradual", ...options },
});

/** Unfreezes in three stages: new parts, layers, embeddings. */
export const sequentialUnfreezing = (options: Options<SequentialUnfreezing> = {}): Strategy => ({
  unfreezing: { name: "sequential", ...options },
});

/** Lower layers learn more slowly: η(l − 1) = η(l) / factor. @source Howard & Ruder 2018 §3.2, arXiv:1801.06146 */
export const discriminativeRates = (factor = 2.6): Strategy => ({ layerRateFactor: factor });

/** The slanted triangular rate. */
export const slantedTriangular = (options: Options<SlantedTriangular> = {}): Strategy => ({
  schedule: { name: "slantedTriangular", ...options },
});

/** The loss of pre-training beside the task's. */
export const auxiliaryLanguageModeling = (options: AuxiliaryLanguageModeling = {}): Strategy => ({
  auxiliary: options,
});

/** Pre-training goes on with the task's texts first. */
export const languageTuningFirst = (options: LanguageTuning = {}): Strategy => ({ languageTuning: options });

/** ULMFiT: language tuning, gradual unfreezing, discriminative rates and the slanted triangular schedule. */
export const ulmfit = (options: Omit<Strategy, "fromScratch"> = {}): Strategy => ({
  ...languageTuningFirst(),
  ...gradualUnfreezing(),
  ...discriminativeRates(),
  ...slantedTriangular(),
  ...options,
});

/** SiATL: sequential unfreezing with an auxiliary loss that falls from 0.2 to 0.1. */
export const siatl = (options: Omit<Strategy, "fromScratch"> = {}): Strategy => ({
  ...sequentialUnfreezing(),
  ...auxiliaryLanguageModeling({ weight: 0.2, finalWeight: 0.1 }),
  ...options,
});
