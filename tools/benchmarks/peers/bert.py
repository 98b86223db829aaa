"""Hugging Face's BERT classifier, for the peers that predict."""

import json
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification

SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")


def classifier(folder: Path) -> BertForSequenceClassification:
    """Return a model with the sizes in `ernie_config.json`, two classes and random weights, in evaluation mode."""
    torch.manual_seed(1)
    sizes = json.loads((folder / "ernie_config.json").read_text())
    return BertForSequenceClassification(BertConfig(**{name: sizes[name] for name in SIZES}, num_labels=2)).eval()
