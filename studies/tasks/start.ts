/** @file What the runs of the study begin with. */
import { readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import type { TaskCase } from "./case.ts";
import type { ModelFacts } from "./result.ts";

/** Folders of models, by option. */
export interface GivenModels {
  /** Pre-trained here on English text. */
  readonly here?: string | undefined;
  /** Pre-trained here on Chinese text. */
  readonly chinese?: string | undefined;
  /** The checkpoint all-MiniLM-L6-v2. */
  readonly minilm?: string | undefined;
}

export interface Start {
  readonly name: string;
  readonly title: string;
  readonly fromScratch: boolean;
  /** The folder whose network, and unless from scratch whose weights, a task begins with; undefined where there is none. */
  readonly modelOf: (task: Pick<TaskCase, "language">, models: GivenModels) => string | undefined;
  /** What rates are multiplied with. */
  readonly rateFactor: number;
  /** How much longer a run takes than with BERT-mini. */
  readonly timeFactor: number;
}

const ownModel: Start["modelOf"] = ({ language }, { here, chinese }) => (language === "zh" ? chinese : here);

export const starts: readonly Start[] = [
  { name: "scratch", title: "from scratch", fromScratch: true, modelOf: ownModel, rateFactor: 1, timeFactor: 1 },
  { name: "here", title: "pre-trained here", fromScratch: false, modelOf: ownModel, rateFactor: 1, timeFactor: 1 },
  {
    ...{ name: "minilm", title: "MiniLM", fromScratch: false, rateFactor: 1 / 3, timeFactor: 3.3 },
    modelOf: ({ language }, { minilm }) => (language === "en" ? minilm : undefined),
  },
];

/** The size of the network in a folder. */
export function modelFacts(folder: string): ModelFacts {
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, number>;
  return {
    layers: config.num_hidden_layers!,
    hidden: config.hidden_size!,
    vocabulary: config.vocab_size!,
    positions: config.max_position_embeddings!,
  };
}

/** A model's folder as commands of the report show it: a folder outside the project by the option that names it. */
export function shownModel(folder: string, models: GivenModels): string {
  if (!isAbsolute(folder) && !folder.startsWith("..")) return folder;
  const [option] = Object.entries(models).find(([, path]) => path === folder) ?? ["model"];
  return option.toUpperCase();
}
