/**
 * Learning curves: how good a task becomes with 100, 300, 1,000 and 3,000 labelled items, pre-trained and from scratch, the same
 * number of steps each. The command goes on where it was ended.
 *
 *     npx tsx studies/tasks/curves.ts --here MODEL [--minilm MODEL] [--tasks sst2,trec,mrpc] [--seeds 1,2,3]
 *         [--sizes 100,300,1000,3000] [--steps 150] [--folder runs/tasks] [--engine onednn --dtype bf16 --threads 1] [--build]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { engineOptions } from "../engine.ts";
import { preparedFile, usualFolder } from "./case.ts";
import { casesOf } from "./cases.ts";
import { curveFile, curveTasks, type DrawnCurve, writeCurve } from "./curve-section.ts";
import { commandText, firth } from "./firth.ts";
import { linesOf } from "./part.ts";
import { shownModel, starts } from "./start.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    ...{ here: text, minilm: text, tasks: text, seeds: text, sizes: text, steps: text, folder: text },
    ...{ build: { type: "boolean", default: false }, ...engineOptions },
  },
});
const { folder = usualFolder, seeds = "1,2,3", sizes = "100,300,1000,3000", steps = "150", build, ...given } = values;
const { here, minilm, engine = "onednn", dtype = "bf16", threads = "1" } = given;
const models = { here, minilm };
const wanted = (values.tasks ?? curveTasks.join()).split(",");
const numbers = sizes.split(",").map(Number);
const largest = Math.max(...numbers);

for (const task of casesOf("").filter(({ name }) => wanted.includes(name))) {
  const train = join(folder, "data", `${task.name}-curve.jsonl`);
  const lines = linesOf(readFileSync(preparedFile(folder, task, "train"), "utf8"));
  if (lines.length < largest) throw new Error(`${task.name} has ${lines.length} items, fewer than ${largest}.`);
  writeFileSync(train, `${lines.slice(0, largest).join("\n")}\n`);
  for (const start of starts.filter(({ fromScratch }) => !fromScratch)) {
    const model = start.modelOf(task, models);
    if (model === undefined) continue;
    const rate = Number((task.learningRate * start.rateFactor).toPrecision(2));
    const place = { file: (part: string) => preparedFile(folder, task, part), maxPositions: 128 };
    const sets = [
      ...[`model=${model}`, `data.train=${train}`, `data.eval=${place.file("eval")}`, ...task.settings(place)],
      ...["train.numEpochs=null", `train.maxSteps=${steps}`, `train.learningRate=${rate}`, "train.selectBest=false"],
      ...["train.evalSteps=100000", `transfer.selectionFigure=${task.figures[0]!.name}`],
    ];
    const shares = numbers.map((size) => `${Number(((100 * size) / largest).toPrecision(6))}%`).join();
    const args = [
      ...["finetune", join("recipes", `${task.recipe}.yaml`), "--learning-curve", shares, "--seeds", seeds],
      ...["--output-dir", join(folder, "curves", `${task.name}-${start.name}`)],
      ...sets.flatMap((setting) => ["--set", setting]),
      ...["--engine", engine, "--dtype", dtype, "--threads", threads],
    ];
    console.error(`${task.name} from ${start.name}`);
    const curve = await firth<Omit<DrawnCurve, "name" | "start" | "command">>(args, { build });
    const command = commandText(args.map((word) => word.replaceAll(model, shownModel(model, models))));
    writeCurve(curveFile(folder, task.name, start.name), { ...curve, name: task.name, start: start.name, command });
  }
}
