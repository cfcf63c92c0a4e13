"""The networks that pytorch_train.py trains, and their batches: random tokens without padding.

A family says how transformers configures it, what its head is called, and which places it scores: BERT 15 % of them, GPT-2 all,
BART all of the target, whose source is as long.
"""

SIZES = {  # layers (of each stack), hidden, heads
    "bert-tiny": (2, 128, 2),
    "bert-mini": (4, 256, 4),
    "bert-small": (4, 512, 8),
    "bert-medium": (8, 512, 8),
    "bert-base": (12, 768, 12),
    "bert-large": (24, 1024, 16),
    "gpt2-tiny": (2, 128, 2),
    "gpt2-mini": (4, 256, 4),
    "gpt2-small": (12, 768, 12),
    "gpt2-medium": (24, 1024, 16),
    "bart-tiny": (2, 128, 2),
    "bart-mini": (4, 256, 4),
    "bart-base": (6, 768, 12),
    "bart-large": (12, 1024, 16),
}


class Bert:
    """Masked words at 15 % of the places."""

    architecture, head = "BertForMaskedLM", "cls"
    sides = 1
    extra = {}

    def __init__(self, options, torch):
        self.options, self.torch = options, torch
        self.layers, self.hidden, self.heads = SIZES[options.model]
        self.scored_per_row = self.scored(options.seq)
        own = options.attention_dropout
        self.attention_dropout = options.dropout if own is None else own

    def scored(self, seq):
        return max(1, int(0.15 * seq))

    def config(self, transformers):
        dropout = self.options.dropout
        return transformers.BertConfig(
            vocab_size=self.options.vocab,
            hidden_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.hidden,
            max_position_embeddings=max(512, self.options.seq),
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=self.attention_dropout,
            attn_implementation=self.options.attention,
        )

    def ids(self, *shape):
        return self.torch.randint(3, self.options.vocab, shape)

    def inputs(self):
        batch, seq = self.options.batch, self.options.seq
        types = self.torch.zeros(batch, seq, dtype=self.torch.long)
        types[:, seq // 2 :] = 1
        return {"input_ids": self.ids(batch, seq), "token_type_ids": types}

    def places(self):
        """Scored places over all rows, drawn without repetition in each; None where all are."""
        torch, batch, seq = self.torch, self.options.batch, self.options.seq
        columns = torch.rand(batch, seq).argsort(dim=1)[:, : self.scored_per_row].sort(dim=1).values
        return (torch.arange(batch)[:, None] * seq + columns).flatten()

    def draw(self):
        """Inputs, scored places and their targets; `labels`: the same as transformers' own heads want it."""
        batch, seq = self.options.batch, self.options.seq
        places = self.places()
        targets = self.ids(batch * self.scored_per_row)
        labels = self.torch.full((batch * seq,), -100)
        labels[slice(None) if places is None else places] = targets
        return {"inputs": self.inputs(), "places": places, "targets": targets, "labels": labels.view(batch, seq)}


class Gpt2(Bert):
    """Every token from those before it."""

    architecture, head = "GPT2LMHeadModel", "lm_head"
    extra = {"use_cache": False}

    def scored(self, seq):
        return seq

    def places(self):
        return None

    def config(self, transformers):
        dropout = self.options.dropout
        return transformers.GPT2Config(
            vocab_size=self.options.vocab,
            n_embd=self.hidden,
            n_layer=self.layers,
            n_head=self.heads,
            n_positions=max(1024, self.options.seq),
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=self.attention_dropout,
            attn_implementation=self.options.attention,
        )

    def inputs(self):
        return {"input_ids": self.ids(self.options.batch, self.options.seq)}


class Bart(Gpt2):
    """Every token of a target from those before it and a source of the same length."""

    architecture = "BartForConditionalGeneration"
    sides = 2

    def config(self, transformers):
        dropout = self.options.dropout
        return transformers.BartConfig(
            vocab_size=self.options.vocab,
            d_model=self.hidden,
            encoder_layers=self.layers,
            decoder_layers=self.layers,
            encoder_attention_heads=self.heads,
            decoder_attention_heads=self.heads,
            encoder_ffn_dim=4 * self.hidden,
            decoder_ffn_dim=4 * self.hidden,
            max_position_embeddings=max(1024, self.options.seq),
            dropout=dropout,
            attention_dropout=self.attention_dropout,
            activation_dropout=dropout,
            attn_implementation=self.options.attention,
        )

    def inputs(self):
        shape = (self.options.batch, self.options.seq)
        return {"input_ids": self.ids(*shape), "decoder_input_ids": self.ids(*shape)}


FAMILIES = {"bert": Bert, "gpt2": Gpt2, "bart": Bart}


def family_of(options, torch):
    return FAMILIES[options.model.split("-")[0]](options, torch)
