"""The engine of ernie-paddle: samples, static programs, stage plans, checkpoints and exports.

It knows no task and no corpus by name: both come in through `ernie_paddle.registry`.

The names of the Python API are imported when they are first used. `__init__.pyi` declares them for type checkers.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "AdaptSettings": "data_builders.adaptation",
    "BuildSettings": "data_builders.corpora_config",
    "Encoder": "ernie_paddle.inference.encoder",
    "FinetuneSettings": "ernie_paddle.finetuning.settings",
    "Predictor": "ernie_paddle.inference.predictor",
    "PretrainSettings": "ernie_paddle.pretraining.settings",
    "UserError": "ernie_paddle.errors",
    "adapt": "data_builders.adapting",
    "build_samples": "data_builders.build",
    "evaluate": "ernie_paddle.inference.evaluation",
    "export": "ernie_paddle.inference.export",
    "finetune": "ernie_paddle.finetuning.run",
    "load_recipe": "ernie_paddle.finetuning.settings",
    "load_settings": "ernie_paddle.config",
    "pretrain": "ernie_paddle.pretraining.run",
}
__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
