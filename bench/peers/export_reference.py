"""Small models of every family with random weights, and what PyTorch and transformers make of texts with them.

    python bench/peers/export_reference.py make OUT          one folder a model, with its tokenizer
    python bench/peers/export_reference.py answer FOLDER TASK   JSON on standard output, for the texts on standard input

Used by check-export.mjs, which exports the folders and asks transformers.js the same.
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402
from tokenizers import ByteLevelBPETokenizer, Tokenizer, decoders, models, pre_tokenizers, processors, trainers  # noqa: E402
from tokenizers.normalizers import BertNormalizer  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.",
    "A model learns from text: words that stand together belong together.",
    "Rivers flow to the sea; the sea gives its water back as rain and snow.",
    "She opened the window because the room was warm, then closed it again.",
    "Numbers such as 12, 345 and 6789 are cut into pieces, as long words are.",
] * 4

NEW_TOKENS = 16
# Random models would say one thing again and again.
NO_REPEAT = 2
# Added to parameters by kind.
SPREAD = {"words": 0.1, "positions": 0.5, "vectors": 0.05, "matrices": 0.15}


def kind_of(name, parameter, words):
    if parameter is words:
        return "words"
    if "position" in name or "wpe" in name:
        return "positions"
    return "vectors" if parameter.dim() == 1 else "matrices"


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
    )


def byte_pairs(special, frame, **named):
    learner = ByteLevelBPETokenizer(add_prefix_space=False)
    learner.train_from_iterator(CORPUS, vocab_size=400, special_tokens=special)
    tokenizer = learner._tokenizer
    if frame:
        ids = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ids
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **named)


def roberta_tokenizer():
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    return byte_pairs(
        special,
        True,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def gpt_tokenizer():
    return byte_pairs(["<|endoftext|>"], False, eos_token="<|endoftext|>", bos_token="<|endoftext|>")


def save(out, name, model, tokenizer):
    folder = os.path.join(out, name)
    with torch.no_grad():
        words = model.get_input_embeddings().weight
        for key, parameter in model.named_parameters():
            parameter.add_(torch.randn_like(parameter) * SPREAD[kind_of(key, parameter, words)])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make(out):
    torch.manual_seed(5)
    shape = dict(hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96)
    labels = dict(id2label={0: "low", 1: "middle", 2: "high"}, label2id={"low": 0, "middle": 1, "high": 2})
    pieces, bytes_, gpt = wordpiece(), roberta_tokenizer(), gpt_tokenizer()
    bert = dict(vocab_size=len(pieces), max_position_embeddings=64, **shape)
    save(out, "bert-masked", transformers.BertForMaskedLM(transformers.BertConfig(**bert)), pieces)
    classes = transformers.BertConfig(**bert, **labels)
    save(out, "bert-classes", transformers.BertForSequenceClassification(classes), pieces)
    albert = transformers.AlbertConfig(**bert, embedding_size=32, pad_token_id=0)
    save(out, "albert-masked", transformers.AlbertForMaskedLM(albert), pieces)
    ids = dict(bos_token_id=0, pad_token_id=1, eos_token_id=2)
    roberta = transformers.RobertaConfig(
        vocab_size=len(bytes_), max_position_embeddings=66, type_vocab_size=1, **shape, **ids
    )
    save(out, "roberta-masked", transformers.RobertaForMaskedLM(roberta), bytes_)
    roberta = transformers.RobertaConfig(
        vocab_size=len(bytes_), max_position_embeddings=66, type_vocab_size=1, **shape, **ids, **labels
    )
    save(out, "roberta-classes", transformers.RobertaForSequenceClassification(roberta), bytes_)
    ends = dict(bos_token_id=0, eos_token_id=0)
    config = transformers.GPT2Config(vocab_size=len(gpt), n_positions=64, n_embd=64, n_layer=3, n_head=4, **ends)
    save(out, "gpt2", transformers.GPT2LMHeadModel(config), gpt)
    config = transformers.BartConfig(
        vocab_size=len(bytes_),
        max_position_embeddings=64,
        d_model=64,
        encoder_layers=2,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=2,
        encoder_ffn_dim=96,
        decoder_ffn_dim=80,
        decoder_start_token_id=2,
        forced_eos_token_id=2,
        **ids,
    )
    save(out, "bart", transformers.BartForConditionalGeneration(config), bytes_)


def answer(folder, task, texts):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    torch.set_num_threads(1)
    if task in ("text-generation", "text2text-generation"):
        if task == "text-generation":
            tokenizer.padding_side = "left"
            tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        kind = {
            "text-generation": transformers.AutoModelForCausalLM,
            "text2text-generation": transformers.AutoModelForSeq2SeqLM,
        }[task]
        model = kind.from_pretrained(folder).eval()
        inputs = tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False)
        with torch.no_grad():
            tokens = model.generate(
                **inputs, max_new_tokens=NEW_TOKENS, do_sample=False, num_beams=1, no_repeat_ngram_size=NO_REPEAT
            )
        return {"tokens": tokens.tolist()}
    kinds = {
        "feature-extraction": transformers.AutoModel,
        "fill-mask": transformers.AutoModelForMaskedLM,
        "text-classification": transformers.AutoModelForSequenceClassification,
    }
    model = kinds[task].from_pretrained(folder).eval()
    inputs = tokenizer(texts, return_tensors="pt", padding=True)
    with torch.no_grad():
        outputs = model(**inputs)
    if task == "text-classification":
        return {"numbers": outputs.logits.tolist()}
    if task == "fill-mask":
        places = (inputs.input_ids == tokenizer.mask_token_id).int().argmax(1)
        return {"numbers": outputs.logits[torch.arange(len(texts)), places].tolist()}
    return {"numbers": outputs.last_hidden_state[:, 0].tolist()}


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        result = answer(sys.argv[2], sys.argv[3], json.load(sys.stdin))
        json.dump({**result, "torch": torch.__version__, "transformers": transformers.__version__}, sys.stdout)
