"""Small models for any text."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.model.saved import Model, save_model
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.session import Session
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary


def character_vocabulary(folder: Path) -> Vocabulary:
    """Return all characters of a folder's files, each also as a continuation, so that no text is unknown."""
    texts = (path.read_text(encoding="utf-8", errors="ignore").lower() for path in folder.rglob("*") if path.is_file())
    return vocabulary_of(sorted({character for text in texts for character in text if not character.isspace()}))


def vocabulary_of(characters: Sequence[str]) -> Vocabulary:
    """Return a vocabulary of characters, each also as a continuation, with one unused entry."""
    pieces = [*SPECIAL_TOKENS, "[unused1]", *characters, *(f"##{character}" for character in characters)]
    return Vocabulary({piece: i for i, piece in enumerate(pieces)})


def write_small_model(folder: Path, vocabulary: Vocabulary, positions: int, hidden: int = 32) -> Path:
    """Write a model with random weights for `--model`."""
    config = ErnieConfig(
        vocab_size=vocabulary.size,
        hidden_size=hidden,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=positions,
        hidden_act="gelu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=hidden**-0.5,
    )
    session = Session(config, 1, AdamSettings(), Cpu())
    session.parameter_shapes([load_plugins().pretraining_tasks.get("knowledge_masking")])
    folder.mkdir(parents=True, exist_ok=True)
    parameters = {name: np.array(value) for name, value in session.parameters().items()}
    save_model(folder, Model(config, vocabulary, parameters))
    return folder
