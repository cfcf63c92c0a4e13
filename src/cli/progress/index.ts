export { formatBytes, formatCount, formatDuration, formatFigure, formatLearningRate, formatRate } from "./format.ts";
export { type TaskDisplay, type TaskOptions, taskProgress } from "./task-progress.ts";
export type { ProgressOptions, ProgressStream } from "./terminal.ts";
export { type TrainDisplay, trainProgress } from "./train-progress.ts";
