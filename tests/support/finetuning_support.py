"""Toy models and recipes for fine-tuning."""

from pathlib import Path
from typing import Any

import yaml

from ernie_paddle.cli import main
from ernie_paddle.testing import toy_plan, write_toy_model

LABELS = ["no", "yes"]


def pretrain_toy(folder: Path, shards: Path) -> Path:
    """Pre-train a tiny model for two steps; return the run's folder."""
    model = write_toy_model(folder / "model.json", 64)
    plan = toy_plan(model, shards, ["knowledge_masking"], steps=2)
    plan["train"]["learning_rate"] = {"peak": 0.001}
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    main(["pretrain", str(folder / "plan.yaml"), "--out", str(folder / "run")])
    return folder / "run"


def write_recipe(path: Path, files: dict[str, Any], **keys: Any) -> Path:
    """Write a recipe over labelled files; keyword arguments replace whole sections."""
    recipe = {
        "signature": {"task": "classification", "labels": LABELS, "max_length": 16},
        "data": {name: str(file) if isinstance(file, Path) else file for name, file in files.items()},
        "epochs": 3,
        "train": {"batch_samples": 16, "learning_rate": {"peak": 0.003}},
        **keys,
    }
    path.write_text(yaml.safe_dump(recipe))
    return path
