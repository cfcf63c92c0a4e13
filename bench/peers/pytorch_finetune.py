"""The fine-tuning that firth-finetune.mjs does, by Hugging Face's Trainer with dynamic padding.

    python bench/peers/pytorch_finetune.py --model FOLDER --train FILE.tsv --steps 9 --batch 32 --seed 1 --kind texts --max-length 128 --dtype f32

The kinds of data are in pytorch_reading.py. Texts are tokenized before the training; every batch is padded to
its longest text. With --dtype bf16 the Trainer trains with bf16=True (autocast). One step for each line "step" on standard input,
answered by one JSON line {"stepMs": …}; a report follows the end of input.
"""

import argparse
import json
import os
import platform
import resource
import sys
import time

from pytorch_reading import KINDS


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--kind", choices=tuple(KINDS), default="texts")
    parser.add_argument("--stride", type=int, default=128)
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    return parser.parse_args()


def main():
    options = parse()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import accelerate
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    tokenizer = transformers.BertTokenizerFast(os.path.join(options.model, "vocab.txt"), do_lower_case=True)
    reading = KINDS[options.kind](options, tokenizer, transformers)
    transformers.set_seed(options.seed)
    model = reading.network.from_pretrained(options.model, **reading.settings)
    times, losses, places, tokens = [], [], [], []

    def collate(features):
        batch = reading.collator(features)
        places.append(batch["attention_mask"].numel())
        tokens.append(int(batch["attention_mask"].sum()))
        return batch

    class Turns(transformers.TrainerCallback):
        """Waits for its turn before each step; the time of a step is what passes from one turn to the next answer."""

        def wait(self, control):
            line = sys.stdin.readline()
            if line and line.strip() != "step":
                raise ValueError(f"unknown command {line.strip()!r}; only 'step'")
            if not line:
                control.should_training_stop = True
            self.began = time.perf_counter()

        def on_train_begin(self, args, state, control, **kwargs):
            print(json.dumps({"ready": True, "threads": torch.get_num_threads()}), flush=True)
            self.wait(control)

        def on_step_end(self, args, state, control, **kwargs):
            if options.device == "cuda":
                torch.cuda.synchronize()
            times.append(1000 * (time.perf_counter() - self.began))
            print(json.dumps({"stepMs": times[-1]}), flush=True)
            self.wait(control)

        def on_log(self, args, state, control, logs=None, **kwargs):
            if logs and "loss" in logs:
                losses.append(logs["loss"])

    arguments = transformers.TrainingArguments(
        output_dir=os.path.join(options.model, "trainer"),
        max_steps=options.steps,
        per_device_train_batch_size=options.batch,
        learning_rate=2e-5,
        warmup_steps=max(1, round(0.1 * options.steps)),
        weight_decay=0.01,
        seed=options.seed,
        use_cpu=options.device == "cpu",
        bf16=options.dtype == "bf16",
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = transformers.Trainer(
        model=model, args=arguments, train_dataset=reading.examples, data_collator=collate, callbacks=[Turns()]
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    made = len(times)
    report = {
        "peer": "pytorch",
        "dtype": options.dtype,
        "allStepMs": times,
        "losses": losses,
        "fillRatio": sum(tokens[:made]) / max(1, sum(places[:made])),
        "optimizer": str(arguments.optim),
        "peakRssBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "accelerate": accelerate.__version__,
        "python": platform.python_version(),
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
