"""Predictions of Hugging Face's BertForSequenceClassification on PyTorch.

usage: torch_inference.py FOLDER BATCHES THREADS fp32|bf16 eager|compile
"""

import sys
from pathlib import Path

import torch
from bert import classifier

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import read_batches
from stepping import serve


def main() -> None:
    folder, batch_folder, threads, precision, mode = sys.argv[1:]
    torch.set_num_threads(int(threads))
    model = classifier(Path(folder)).to(torch.bfloat16 if precision == "bf16" else torch.float32)
    run = torch.compile(model) if mode == "compile" else model
    batches = [torch.tensor(batch["ids"]) for batch in read_batches(Path(batch_folder))]

    def step(number: int) -> int:
        ids = batches[number % len(batches)]
        with torch.inference_mode():
            run(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.float().numpy()
        return ids.numel()

    serve(step)


main()
