"""A tiny model of any family with its outputs, gradients and three AdamW steps, as PyTorch and transformers compute them.

`write` makes tests/fixtures/<family>/<name>/: config.json and model.safetensors (float32, the model directory),
expected.safetensors (inputs int32, everything else computed in float64 and stored as float32) and fixture.json (versions,
seed, scalars in full). Every parameter is random, LayerNorm gain and all biases included, so that a swapped or ignored
tensor shows. The padding token occurs only where the attention mask is 0: torch gives its embedding row no gradient from
the look-up.
"""

import re
import shutil

import torch
from safetensors.torch import save_file

from common import FIXTURES, versions, write_json

# LayerNorm, layer_norm, full_layer_layer_norm, self_attn_layer_norm, layernorm_embedding, ln_1, ln_f
GAIN = re.compile(r"(LayerNorm|layer_?norm(_\w+)?|ln_\w+)\.weight$")
ADAMW = {"lr": 1e-2, "betas": (0.9, 0.999), "eps": 1e-6}
WEIGHT_DECAY, MAX_GRAD_NORM, STEPS = 0.01, 1.0, 3
# Odd sizes, so that no transposed matrix fits by accident.
SIZES = {
    "vocab_size": 37,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": 0,
    "attn_implementation": "eager",
}
CLASSES = {
    "num_labels": 3,
    "id2label": {0: "negative", 1: "neutral", 2: "positive"},
    "label2id": {"negative": 0, "neutral": 1, "positive": 2},
}


def is_undecayed(name):
    return name.endswith("bias") or GAIN.search(name) is not None


def randomise(model, generator):
    """Draws every parameter anew: LayerNorm gain around 1, all else around 0 and large enough to matter."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
            parameter.copy_(1 + 0.2 * noise if GAIN.search(name) else 0.3 * noise)


def draw_batch(config, generator, sequences=3, tokens=9, lengths=(9, 6, 8)):
    """Two segments a row, three lengths, padding at the end; about a third of the real tokens are scored."""
    pad = config.pad_token_id
    least = pad + 1
    ids = torch.randint(least, config.vocab_size, (sequences, tokens), generator=generator)
    position = torch.arange(tokens)[None, :]
    mask = (position < torch.tensor(lengths)[:, None]).long()
    two_types = getattr(config, "type_vocab_size", 1) > 1
    types = ((position >= 4) & (mask == 1)).long() if two_types else torch.zeros_like(mask)
    scored = (torch.rand((sequences, tokens), generator=generator) < 0.35) & (mask == 1) & (position > 0)
    scored[:, 2] = True
    original = torch.randint(least, config.vocab_size, (sequences, tokens), generator=generator)
    return {
        "input_ids": torch.where(mask == 1, ids, pad),
        "attention_mask": mask,
        "token_type_ids": types,
    }, torch.where(scored, original, torch.full_like(original, -100))


def masked_batch(config, generator):
    batch, labels = draw_batch(config, generator)
    return {**batch, "labels": labels}


def classification_batch(config, generator):
    batch, _ = draw_batch(config, generator)
    return {**batch, "labels": torch.tensor([2, 0, 1])}


def logits(result, batch):
    return {"logits": result.logits}


def pair_outputs(pair_label, pair_logits):
    """Outputs of a model that learns masked words and the relation of two segments."""

    def outputs(result, batch):
        mlm = torch.nn.functional.cross_entropy(result.prediction_logits.flatten(0, 1), batch["labels"].flatten())
        pair = torch.nn.functional.cross_entropy(getattr(result, pair_logits), batch[pair_label])
        assert torch.allclose(mlm + pair, result.loss)
        return {
            "prediction_logits": result.prediction_logits,
            pair_logits: getattr(result, pair_logits),
            "mlm_loss": mlm,
            "nsp_loss" if pair_label == "next_sentence_label" else "sop_loss": pair,
        }

    return outputs


def float32_deviation(folder, architecture, batch, exact, tie):
    """Largest absolute error of torch's own float32 run, by group: what a float32 engine may be held to.

    The exact gradient of every attention key bias is 0 (softmax ignores a shift); Adam turns its rounding noise into a
    visible update, so those biases are a group of their own.
    """
    single, worst = {}, {}
    model = architecture.from_pretrained(folder, attn_implementation="eager").train()
    if tie is not None:
        tie(model)
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
        {"params": [p for n, p in named.items() if not is_undecayed(n)], "weight_decay": WEIGHT_DECAY},
        {"params": [p for n, p in named.items() if is_undecayed(n)], "weight_decay": 0.0},
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
        "undecayedSuffixes": ("bias", "LayerNorm.weight"),
        "maxGradNorm": MAX_GRAD_NORM,
        "steps": STEPS,
        "losses": losses,
        "gradNormsBeforeClipping": norms,
        "lossAfter": model(**batch).loss.item(),
    }


def states(result, model, tensors):
    """Hidden states of an encoder: the embeddings' output, then each layer's; and the pooled vectors."""
    for layer, state in enumerate(result.hidden_states):
        tensors[f"hidden_states.{layer}"] = state
    if getattr(model.base_model, "pooler", None) is not None:
        pooled = model.base_model(**{k: v for k, v in tensors.items() if k in model_inputs}).pooler_output
        tensors["pooler_output"] = pooled


model_inputs = ("input_ids", "attention_mask", "token_type_ids", "task_type_ids")


def save(model, folder, tie):
    """The model directory; transformers refuses to write parts that it keeps apart and `tie` made one, so a twin is written."""
    if tie is not None:
        twin = type(model)(model.config)
        twin.load_state_dict(model.state_dict())
        model = twin
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)


def write(generator_name, family, name, model, seed, make_batch, outputs, keep_states=states, tie=None):
    """One fixture directory; `outputs(result, batch)` names the tensors that only this head has.

    `tie` makes parts of a model one that transformers keeps apart.
    """
    generator = torch.Generator().manual_seed(seed)
    if tie is not None:
        tie(model)
    randomise(model, generator)
    folder = FIXTURES / family / name
    shutil.rmtree(folder, ignore_errors=True)
    save(model, folder, tie)

    model = model.double().train()
    batch = make_batch(model.config, generator)
    tensors = dict(batch)
    result = model(**batch, output_hidden_states=True)
    keep_states(result, model, tensors)
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
        "generator": f"tools/golden/{generator_name}",
        "versions": versions("torch", "transformers", "safetensors"),
        "seed": seed,
        "computedIn": "float64",
        "architecture": type(model).__name__,
        "scalars": scalars,
        "float32Deviation": float32_deviation(folder, type(model), batch, tensors, tie),
    }
    write_json(folder / "fixture.json", record)
