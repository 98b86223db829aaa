"""From a fine-tuned model to an exported one: Paddle inference files, vocabulary, signature."""

from pathlib import Path

import numpy as np

from ernie_paddle.checksums import write_checksums
from ernie_paddle.children import called_in_fresh_process
from ernie_paddle.errors import UserError
from ernie_paddle.files import folder_written_whole, write_json
from ernie_paddle.inference.predictor import MODEL_PREFIX, VOCABULARY_FILE, ExportSignature, Predictor
from ernie_paddle.keyed_random import generator
from ernie_paddle.kind import SIGNATURE_FILE
from ernie_paddle.programs.inference_program import INPUTS, InferenceProgram
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.checkpoint import load_model

TOLERANCE = 1e-5


def export(model_folder: Path, out: Path, registry: Registry) -> float:
    """Write the exported model, then compare it, loaded in a fresh process, with the program it was made from.

    Returns the largest difference of a score.

    Raises:
        UserError: not a fine-tuned model, or the two differ by more than 1e-5 of the largest score.
    """
    path = model_folder / SIGNATURE_FILE
    if not path.is_file():
        raise UserError(f"{model_folder}: not a fine-tuned model, {SIGNATURE_FILE} is missing; fine-tune one first")
    model = load_model(model_folder)
    vocabulary, signature = model.vocabulary, model.signature
    assert signature is not None
    kind = registry.finetuning_tasks.get(signature.task, str(path))
    try:
        program = InferenceProgram(
            model.config, kind.objective(signature), signature.task_id, vocabulary.pad_id, model.parameters
        )
    except ValueError as error:
        raise UserError(f"{model_folder}: {error}") from None
    with folder_written_whole(out) as beside:
        program.save(beside / MODEL_PREFIX)
        vocabulary.save(beside / VOCABULARY_FILE)
        inputs = {feed.name: feed.dtype for feed in INPUTS}
        exported = ExportSignature(**signature.model_dump(), inputs=inputs)
        write_json(beside / SIGNATURE_FILE, exported.model_dump(mode="json"))
        write_checksums(beside)
        try:
            difference = _largest_difference(program, beside, vocabulary, signature.max_length)
        except RuntimeError as error:  # Paddle writes to a full disk without a word, and fails in reading
            reason = str(error).strip().split("\n")[0]
            raise UserError(f"{out}: not written, Paddle cannot read its files back ({reason}); make room") from None
        if not difference <= TOLERANCE:
            raise UserError(f"{out}: not written, the exported model's scores differ by {difference:.1e}")
    return difference


def _largest_difference(program: InferenceProgram, folder: Path, vocabulary: Vocabulary, max_length: int) -> float:
    feeds = [_random_feed(vocabulary, rows, length) for rows, length in ((1, 3), (4, max_length))]
    answers = called_in_fresh_process(_scores_from, folder, feeds)
    pairs = [(program.scores(feed), answer) for feed, answer in zip(feeds, answers, strict=True)]
    return max(float(np.abs(own - answer).max() / max(1.0, np.abs(own).max())) for own, answer in pairs)


def _random_feed(vocabulary: Vocabulary, rows: int, length: int) -> dict[str, np.ndarray]:
    ids = generator("export", rows, length).choice(vocabulary.ordinary_ids, (rows, length))
    return {"input_ids": ids, "sentence_ids": np.zeros_like(ids)}


def _scores_from(folder: Path, feeds: list[dict[str, np.ndarray]]) -> list[np.ndarray]:
    predictor = Predictor(folder, on_gpu=False)  # as the program that it is compared with
    return [predictor.scores(feed) for feed in feeds]
