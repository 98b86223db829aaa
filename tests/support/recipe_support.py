"""Recipes with their data sections read as fine-tuning tasks read them."""

from dataclasses import dataclass
from pathlib import Path

from ernie_paddle.config import check_settings
from ernie_paddle.finetuning import settings as finetune_settings
from ernie_paddle.finetuning.settings import FinetuneSettings
from ernie_paddle.finetuning_task import Signature
from tasks.finetuning.reading.data import DataSettings

RECIPES = Path(__file__).parents[2] / "configs" / "finetune"


@dataclass(frozen=True)
class Recipe:
    """A recipe: all of it, and its data section checked."""

    settings: FinetuneSettings
    data: DataSettings

    @property
    def signature(self) -> Signature:
        return self.settings.signature


def load_recipe(path: Path, size: str = "base", overrides: list[str] | None = None) -> Recipe:
    """Read a recipe as `ernie-paddle finetune` does."""
    settings = finetune_settings.load_recipe(path, size, overrides or [])
    return Recipe(settings, check_settings(DataSettings, settings.data, f"{path}: data"))
