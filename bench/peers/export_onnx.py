"""Writes FOLDER/onnx/model.onnx from a classifier in Hugging Face's layout, with free batch size and length, for transformers.js.

    python bench/peers/export_onnx.py FOLDER        (needs torch, transformers, onnx, onnxscript)
"""

import os
import sys
import warnings


def main():
    warnings.filterwarnings("ignore")
    folder = sys.argv[1]
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    ).eval()

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).logits

    os.makedirs(os.path.join(folder, "onnx"), exist_ok=True)
    ids = torch.randint(5, 1000, (2, 30))
    names = ["input_ids", "attention_mask", "token_type_ids"]
    batch, length = torch.export.Dim("batch", min=1, max=512), torch.export.Dim("length", min=2, max=512)
    program = torch.onnx.export(
        Plain(),
        (ids, torch.ones_like(ids), torch.zeros_like(ids)),
        input_names=names,
        output_names=["logits"],
        dynamic_shapes={name: {0: batch, 1: length} for name in names},
        dynamo=True,
        verbose=False,
    )
    program.save(os.path.join(folder, "onnx", "model.onnx"), external_data=False)


if __name__ == "__main__":
    main()
