"""Outputs of exported BERTs in transformers, and vectors of texts in sentence-transformers.

usage: transformers_bert.py FOLDER

For every NAME, FOLDER/NAME/ has the export `bert/`, inputs in `ours.npz`, and gets the outputs `transformers.npz`.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer


def main() -> None:
    for path in sorted(Path(sys.argv[1]).glob("*/bert")):
        given = np.load(path.parent / "ours.npz")
        architecture = json.loads((path / "config.json").read_text())["architectures"][0]
        inputs = {
            "input_ids": torch.tensor(given["input_ids"]),
            "token_type_ids": torch.tensor(given["sentence_ids"]),
            "attention_mask": torch.tensor(given["is_token"]).long(),
        }
        with torch.inference_mode():
            outputs = (
                encoder(path, given, inputs) if (path / "modules.json").exists() else head(path, architecture, inputs)
            )
        for name, values in outputs.items():
            if values.ndim == 3:
                outputs[name] = np.where(given["is_token"][..., None], values, 0)
        np.savez(path.parent / "transformers.npz", **outputs)


def opened(path: Path, architecture: str, ignored: tuple[str, ...] = ()) -> torch.nn.Module:
    """Open an export; no parameter may be missing, and none but the ignored ones may be left over."""
    model, report = getattr(transformers, architecture).from_pretrained(path, output_loading_info=True)
    assert not report["missing_keys"], (path, report)
    assert all(name.startswith(ignored) for name in report["unexpected_keys"]), (path, report)
    return model.eval()


def encoder(path: Path, given: dict[str, np.ndarray], inputs: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Return the outputs of a pre-trained model as encoder, as masked LM and in sentence-transformers."""
    out = opened(path, "BertModel", ("cls.",))(**inputs)
    is_mask = inputs["input_ids"] == int(given["mask_id"])
    masked = opened(path, "BertForMaskedLM", ("bert.pooler.", "cls.seq_relationship."))(**inputs).logits[is_mask]
    texts = (path.parent / "texts.txt").read_text(encoding="utf-8").split("\n")
    vectors = SentenceTransformer(str(path), device="cpu").encode(texts)
    return {
        "hidden": out.last_hidden_state.numpy(),
        "pooled": out.pooler_output.numpy(),
        "masked": masked.numpy(),
        "texts": vectors,
    }


def head(path: Path, architecture: str, inputs: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Return the outputs of a fine-tuned model: probabilities if its classes have names."""
    model = opened(path, architecture)
    if architecture == "BertForMultipleChoice":
        out = model(**{name: value[None] for name, value in inputs.items()})
        return {"logits": out.logits.reshape(-1, 1).numpy()}
    out = model(**inputs)
    if architecture == "BertForQuestionAnswering":
        return {"logits": torch.stack([out.start_logits, out.end_logits], dim=-1).numpy()}
    if model.config.num_labels == 1:
        return {"logits": out.logits.numpy()}
    return {"scores": out.logits.softmax(-1).numpy()}


main()
