"""A program that creates PaddleNLP's models and loads those exported for it, in one process since its import is slow.

    python paddlenlp_models.py FOLDER

In FOLDER, every `make/NAME/` holds `task.json` (class and sizes) and gets a random model; every `load/NAME/` holds a
model in PaddleNLP's layout, or in Hugging Face's with `task.json` saying so. All of them hold `inputs.npz`
(`input_ids`, `sentence_ids`, `task_id`) and get `outputs.npz`: `hidden`, `scores` of a masked-LM head, and `logits` of
a model that was fine-tuned; for multiple choice the rows are the choices.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def make(folder: Path) -> Any:
    """Save and return a model with random parameters, including LayerNorm and biases."""
    import paddle
    from paddlenlp import transformers

    task = json.loads((folder / "task.json").read_text())
    kind = getattr(transformers, task["class"])
    model = kind(kind.config_class(**task["sizes"]))
    random = np.random.default_rng(0)
    for name, parameter in model.named_parameters():
        values = random.normal(1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.1, parameter.shape)
        parameter.set_value(paddle.to_tensor(values.astype(np.float32)))
    model.save_pretrained(str(folder))
    return model


def load(folder: Path) -> Any:
    """Load a folder with PaddleNLP."""
    from paddlenlp import transformers

    if (folder / "task.json").exists():
        task = json.loads((folder / "task.json").read_text())
        return getattr(transformers, task["class"]).from_pretrained(str(folder), convert_from_torch=True)
    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    return getattr(transformers, architecture).from_pretrained(str(folder))


def write_outputs(folder: Path, model: Any) -> None:
    """Write the model's outputs for the inputs in the folder."""
    import paddle

    model.eval()
    encoder = getattr(model, model.base_model_prefix, model)
    given = np.load(folder / "inputs.npz")
    ids, sentences = (paddle.to_tensor(given[name]) for name in ("input_ids", "sentence_ids"))
    task = {"task_type_ids": paddle.full_like(ids, int(given["task_id"]))} if model.config.model_type == "ernie" else {}
    with paddle.no_grad():
        hidden = encoder(ids, token_type_ids=sentences, **task)[0]
        outputs = {"hidden": hidden.numpy()}
        if hasattr(model, "cls"):
            outputs["scores"] = model.cls.predictions(hidden).numpy()
        if hasattr(model, "classifier"):
            outputs["logits"] = logits(model, ids, sentences).numpy()
    np.savez(folder / "outputs.npz", **outputs)


def logits(model: Any, ids: Any, sentences: Any) -> Any:
    """Return the outputs of the model class, [rows, n], or [rows, length, n] for token-level heads."""
    import paddle

    if hasattr(model, "num_choices"):
        model.num_choices = len(ids)
        return model(ids.unsqueeze(0), token_type_ids=sentences.unsqueeze(0)).reshape([-1, 1])
    found = model(ids, token_type_ids=sentences)
    return paddle.stack(list(found), axis=-1) if isinstance(found, tuple) else found  # of starts and ends


def main(folder: Path) -> None:
    for path in sorted(folder.glob("make/*")):
        write_outputs(path, make(path))
    for path in sorted(folder.glob("load/*")):
        write_outputs(path, load(path))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
