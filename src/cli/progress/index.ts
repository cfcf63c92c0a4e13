export { formatBytes, formatCount, formatDuration, formatFigure, formatLearningRate, formatRate } from "./format.ts";
export { type TaskOptions, type TaskProgress, taskProgress } from "./task-progress.ts";
export type { ProgressOptions, ProgressStream } from "./terminal.ts";
export { type TrainProgress, trainProgress } from "./train-progress.ts";
