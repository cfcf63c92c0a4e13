"""Tiny BERT models with their outputs, gradients and three AdamW steps, as PyTorch and transformers compute them.

    python tools/golden/bert.py

Writes tests/fixtures/bert/<name>/: config.json and model.safetensors (float32, the model directory), expected.safetensors
(inputs int32, everything else computed in float64 and stored as float32) and fixture.json (versions, seed, scalars in full).
Every parameter is random, LayerNorm gain and all biases included, so that a swapped or ignored tensor shows. Token 0 is the
padding token and occurs only where the attention mask is 0: torch gives its embedding row no gradient from the look-up.
"""

import shutil

import torch
import transformers
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertForSequenceClassification

from common import FIXTURES, versions, write_json

OUT = FIXTURES / "bert"
UNDECAYED = ("bias", "LayerNorm.weight")
ADAMW = {"lr": 1e-2, "betas": (0.9, 0.999), "eps": 1e-6}
WEIGHT_DECAY, MAX_GRAD_NORM, STEPS = 0.01, 1.0, 3


def tiny_config(**changes):
    """Odd sizes, so that no transposed matrix fits by accident."""
    return BertConfig(
        **{
            "vocab_size": 37,
            "hidden_size": 12,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "intermediate_size": 20,
            "max_position_embeddings": 16,
            "type_vocab_size": 2,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "pad_token_id": 0,
            "attn_implementation": "eager",
            **changes,
        }
    )


def randomise(model, generator):
    """Draws every parameter anew: LayerNorm gain around 1, all else around 0 and large enough to matter."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
            parameter.copy_(1 + 0.2 * noise if name.endswith("LayerNorm.weight") else 0.3 * noise)


def draw_batch(config, generator, sequences=3, tokens=9, lengths=(9, 6, 8)):
    """Two segments a row, three lengths, padding at the end; about a third of the real tokens are scored."""
    ids = torch.randint(1, config.vocab_size, (sequences, tokens), generator=generator)
    position = torch.arange(tokens)[None, :]
    mask = (position < torch.tensor(lengths)[:, None]).long()
    types = ((position >= 4) & (mask == 1)).long() if config.type_vocab_size > 1 else torch.zeros_like(mask)
    scored = (torch.rand((sequences, tokens), generator=generator) < 0.35) & (mask == 1) & (position > 0)
    scored[:, 2] = True
    original = torch.randint(1, config.vocab_size, (sequences, tokens), generator=generator)
    return {
        "input_ids": ids * mask,
        "attention_mask": mask,
        "token_type_ids": types,
    }, torch.where(scored, original, torch.full_like(original, -100))


def float32_deviation(folder, architecture, batch, exact):
    """Largest absolute error of torch's own float32 run, by group: what a float32 engine may be held to.

    The exact gradient of every attention key bias is 0 (softmax ignores a shift); Adam turns its rounding noise into a
    visible update, so those biases are a group of their own.
    """
    single, worst = {}, {}
    model = architecture.from_pretrained(folder, attn_implementation="eager").train()
    train(model, batch, single, {})
    for name, value in single.items():
        group = name.split(".")[0] + (".keyBias" if name.endswith("key.bias") else "")
        error = (value.double() - exact[name].double()).abs().max().item()
        worst[group] = max(worst.get(group, 0.0), error)
    return worst


def train(model, batch, tensors, scalars):
    """Gradients of the first step, unclipped, then the parameters after STEPS updates on the same batch."""
    named = dict(model.named_parameters())
    groups = [
        {"params": [p for n, p in named.items() if not n.endswith(UNDECAYED)], "weight_decay": WEIGHT_DECAY},
        {"params": [p for n, p in named.items() if n.endswith(UNDECAYED)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, foreach=False, **ADAMW)
    losses, norms = [], []
    for step in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        loss = model(**batch).loss
        loss.backward()
        if step == 0:
            for name, parameter in named.items():
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                tensors[f"gradient.{name}"] = gradient.clone()
        norms.append(torch.nn.utils.clip_grad_norm_(list(named.values()), MAX_GRAD_NORM).item())
        losses.append(loss.item())
        optimizer.step()
    for name, parameter in named.items():
        tensors[f"updated.{name}"] = parameter.detach().clone()
    tensors["adamw_losses"], tensors["adamw_grad_norms"] = torch.tensor(losses, dtype=torch.float64), torch.tensor(norms, dtype=torch.float64)
    scalars["adamw"] = {
        "learningRate": ADAMW["lr"],
        "beta1": ADAMW["betas"][0],
        "beta2": ADAMW["betas"][1],
        "epsilon": ADAMW["eps"],
        "weightDecay": WEIGHT_DECAY,
        "undecayedSuffixes": UNDECAYED,
        "maxGradNorm": MAX_GRAD_NORM,
        "steps": STEPS,
        "losses": losses,
        "gradNormsBeforeClipping": norms,
        "lossAfter": model(**batch).loss.item(),
    }


def write(name, model, seed, make_batch, outputs):
    """One fixture directory; `outputs(model, result, batch)` names the tensors that only this head has."""
    generator = torch.Generator().manual_seed(seed)
    randomise(model, generator)
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)

    model = model.double().train()
    batch = make_batch(model.config, generator)
    tensors = dict(batch)
    result = model(**batch, output_hidden_states=True)
    for layer, state in enumerate(result.hidden_states):
        tensors[f"hidden_states.{layer}"] = state
    if model.bert.pooler is not None:
        tensors["pooler_output"] = model.bert.pooler(result.hidden_states[-1])
    scalars = {"loss": result.loss.item()}
    tensors["loss"] = result.loss
    for key, value in outputs(result, batch).items():
        tensors[key] = value
        if value.ndim == 0:
            scalars[key] = value.item()
    train(model, batch, tensors, scalars)

    stored = {
        key: value.detach().to(torch.float32 if value.is_floating_point() else torch.int32).contiguous().clone()
        for key, value in tensors.items()
    }
    save_file(stored, folder / "expected.safetensors")
    record = {
        "generator": "tools/golden/bert.py",
        "versions": versions("torch", "transformers", "safetensors"),
        "seed": seed,
        "computedIn": "float64",
        "architecture": type(model).__name__,
        "scalars": scalars,
        "float32Deviation": float32_deviation(folder, type(model), batch, tensors),
    }
    write_json(folder / "fixture.json", record)


def pretraining_batch(config, generator):
    batch, labels = draw_batch(config, generator)
    return {**batch, "labels": labels, "next_sentence_label": torch.tensor([1, 0, 1])}


def pretraining_outputs(result, batch):
    mlm = torch.nn.functional.cross_entropy(result.prediction_logits.flatten(0, 1), batch["labels"].flatten())
    nsp = torch.nn.functional.cross_entropy(result.seq_relationship_logits, batch["next_sentence_label"])
    assert torch.allclose(mlm + nsp, result.loss)
    return {
        "prediction_logits": result.prediction_logits,
        "seq_relationship_logits": result.seq_relationship_logits,
        "mlm_loss": mlm,
        "nsp_loss": nsp,
    }


def masked_batch(config, generator):
    batch, labels = draw_batch(config, generator)
    return {**batch, "labels": labels}


def classification_batch(config, generator):
    batch, _ = draw_batch(config, generator)
    return {**batch, "labels": torch.tensor([2, 0, 1])}


def logits(result, batch):
    return {"logits": result.logits}


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    write("pretraining", BertForPreTraining(tiny_config()), 11, pretraining_batch, pretraining_outputs)
    classes = {"num_labels": 3, "id2label": {0: "negative", 1: "neutral", 2: "positive"}}
    classes["label2id"] = {label: index for index, label in classes["id2label"].items()}
    classifier = BertForSequenceClassification(tiny_config(**classes))
    write("sequence-classification", classifier, 12, classification_batch, logits)
    write("masked-lm-gelu-new", BertForMaskedLM(tiny_config(hidden_act="gelu_new")), 13, masked_batch, logits)
    relu = tiny_config(hidden_act="relu", num_hidden_layers=1, layer_norm_eps=1e-5)
    write("masked-lm-relu", BertForMaskedLM(relu), 14, masked_batch, logits)

    sharded = OUT / "sequence-classification-sharded"
    shutil.rmtree(sharded, ignore_errors=True)
    saved = BertForSequenceClassification.from_pretrained(OUT / "sequence-classification")
    saved.save_pretrained(sharded, max_shard_size="8KB")


if __name__ == "__main__":
    main()
