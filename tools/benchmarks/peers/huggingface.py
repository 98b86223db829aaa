"""Steps of Hugging Face's BertForMaskedLM on PyTorch with dropout 0.1, AdamW and clipping.

usage: huggingface.py BATCHES CONFIG fp32|bf16
"""

import json
import sys
from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import read_batches
from stepping import serve


def main() -> None:
    folder, config, precision = sys.argv[1:]
    torch.set_num_threads(2)
    torch.manual_seed(1)
    sizes = json.loads(Path(config).read_text())
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")
    model = BertForMaskedLM(BertConfig(**{name: sizes[name] for name in names}))
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    batches = read_batches(Path(folder))

    def step(number: int) -> int:
        batch = batches[number % len(batches)]
        lengths = torch.tensor(batch["lengths"])
        ids = torch.tensor(batch["ids"])
        mask = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).long()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = model(input_ids=ids, attention_mask=mask, labels=torch.tensor(batch["labels"])).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return int(lengths.sum())

    serve(step)


main()
