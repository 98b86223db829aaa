"""Export of models: model files for inference with their description, vocabulary and signature."""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ernie_paddle.checksums import write_checksums
from ernie_paddle.children import call_in_new_process
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_folder, write_json
from ernie_paddle.inference.backends import inference_program, open_backend
from ernie_paddle.inference.exported import EXPORT_FILE, MODEL_PREFIX, ExportRecord
from ernie_paddle.inference.heads import head_of
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.saved import Model, load_model, of_run, save_signature
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary

if TYPE_CHECKING:
    from ernie_paddle.programs.inference_program import InferenceProgram

TOLERANCE = 1e-5
Feed = dict[str, np.ndarray]


def export(model_folder: Path, out: Path, registry: Registry) -> float:
    """Export a model, then load it in a fresh process and compare its outputs with those of the original program.

    A fine-tuning run stands for its best model. A model without a signature is exported as an encoder.

    Returns the largest difference, relative to the largest output if that is above 1.

    Raises:
        UserError: the model cannot be exported, or the difference is above 1e-5.
    """
    from ernie_paddle.programs.inference_program import INPUTS

    model_folder = of_run(model_folder)
    model = load_model(model_folder)
    program = inference_program(model, head_of(model, registry), str(model_folder))
    record = ExportRecord(
        format="paddle",
        inputs={feed.name: feed.dtype for feed in INPUTS},
        outputs=program.outputs,
        max_length=longest_input(model),
    )
    with atomic_folder(out) as partial:
        program.save(partial / MODEL_PREFIX)
        write_json(partial / EXPORT_FILE, record.model_dump(mode="json"))
        model.vocabulary.save(partial / VOCABULARY_FILE)
        save_signature(partial, model.signature)
        write_checksums(partial)
        try:
            difference = _largest_difference(program, partial, model.vocabulary, record.max_length)
        except RuntimeError as error:  # Paddle does not report a full disk when it writes, only when it reads
            reason = str(error).strip().split("\n")[0]
            raise UserError(
                f"{out}: not written, Paddle cannot read its files back ({reason}); free disk space"
            ) from None
        if not difference <= TOLERANCE:
            raise UserError(f"{out}: not written, the exported model's outputs differ by {difference:.1e}")
    return difference


def longest_input(model: Model) -> int:
    """Return the longest input in tokens: that of the signature, or the positions of the encoder."""
    return model.signature.max_length if model.signature else model.config.max_position_embeddings


def _largest_difference(program: "InferenceProgram", folder: Path, vocabulary: Vocabulary, max_length: int) -> float:
    feeds = [_random_feed(vocabulary, rows, length) for rows, length in ((1, 3), (4, max_length))]
    exported = call_in_new_process(_exported_outputs, folder, feeds)
    pairs = zip(chain.from_iterable(map(program.run, feeds)), chain.from_iterable(exported), strict=True)
    return max(float(np.abs(ours - theirs).max() / max(1.0, np.abs(ours).max())) for ours, theirs in pairs)


def _random_feed(vocabulary: Vocabulary, rows: int, length: int) -> Feed:
    ids = generator("export", rows, length).choice(vocabulary.ordinary_ids, (rows, length))
    return {"input_ids": ids, "sentence_ids": np.zeros_like(ids)}


def _exported_outputs(folder: Path, feeds: list[Feed]) -> list[list[np.ndarray]]:
    backend = open_backend(folder, on_gpu=False)  # like the original program
    return [backend.run(feed) for feed in feeds]
