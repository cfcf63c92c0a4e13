"""Tiny models with LoRA as peft computes and saves it: tests/fixtures/{bert,gpt2}/lora/.

    python tools/golden/adapters.py

Each is a folder as `save_pretrained` of peft leaves it (adapter_config.json, adapter_model.safetensors), whose model is the
fixture beside it, with expected.safetensors (inputs int32, logits computed in float64 and stored as float32) and
fixture.json. Both matrices of every change are random, so that one left out or exchanged shows.
"""

import shutil

import torch
import transformers
from peft import LoraConfig, TaskType, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification

import model_fixture as fixture
from common import FIXTURES, versions, write_json


def write(family, seed, **settings):
    generator = torch.Generator().manual_seed(seed)
    base = FIXTURES / family / "sequence-classification"
    folder = FIXTURES / family / "lora"
    model = AutoModelForSequenceClassification.from_pretrained(base, attn_implementation="eager")
    config = LoraConfig(task_type=TaskType.SEQ_CLS, base_model_name_or_path="../sequence-classification", **settings)
    model = get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "lora_" in name or "modules_to_save" in name:
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
                parameter.copy_(0.3 * noise)
    shutil.rmtree(folder, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = "../sequence-classification"
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    batch = fixture.classification_batch(model.config, generator)
    given = {key: value for key, value in batch.items() if key in ("input_ids", "attention_mask", *(() if family == "gpt2" else ("token_type_ids",)))}
    logits = model.double().eval()(**given).logits
    stored = {**{key: value.to(torch.int32) for key, value in batch.items()}, "logits": logits.detach().to(torch.float32)}
    save_file({key: value.contiguous() for key, value in stored.items()}, folder / "expected.safetensors")
    record = {
        "generator": "tools/golden/adapters.py",
        "versions": versions("torch", "transformers", "peft", "safetensors"),
        "seed": seed,
        "computedIn": "float64",
    }
    write_json(folder / "fixture.json", record)


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    write("bert", 71, r=3, lora_alpha=5, target_modules=["query", "value", "intermediate.dense"], rank_pattern={"value": 2})
    write("gpt2", 72, r=2, lora_alpha=6, target_modules=["c_attn", "mlp.c_proj"], use_rslora=True, fan_in_fan_out=True)


if __name__ == "__main__":
    main()
