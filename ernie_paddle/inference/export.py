"""Export of fine-tuned models: Paddle inference files, vocabulary and signature."""

from pathlib import Path

import numpy as np

from ernie_paddle.checksums import write_checksums
from ernie_paddle.children import call_in_new_process
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_folder, write_json
from ernie_paddle.finetuning_task import SIGNATURE_FILE
from ernie_paddle.inference.predictor import MODEL_PREFIX, ExportSignature, Predictor
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.saved import load_model, resolve
from ernie_paddle.outputs import check_empty
from ernie_paddle.programs.inference_program import INPUTS, InferenceProgram
from ernie_paddle.registry import Registry
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary

TOLERANCE = 1e-5


def export(model_folder: Path, out: Path, registry: Registry) -> float:
    """Export a model, then load it in a fresh process and compare its scores with those of the original program.

    `model_folder` may be that of a run, see `resolve`.

    Returns the largest difference, relative to the largest score if that is above 1.

    Raises:
        UserError: `out` holds something, the model is not fine-tuned, or the difference is above 1e-5.
    """
    check_empty(out)
    model_folder = resolve(model_folder)
    path = model_folder / SIGNATURE_FILE
    if not path.is_file():
        raise UserError(f"{model_folder}: not a fine-tuned model, {SIGNATURE_FILE} is missing; fine-tune one first")
    model = load_model(model_folder)
    vocabulary, signature = model.vocabulary, model.signature
    assert signature is not None
    task = registry.finetuning_tasks.get(signature.task, str(path))
    try:
        program = InferenceProgram(
            model.config, task.objective(signature), signature.task_id, vocabulary.pad_id, model.parameters
        )
    except ValueError as error:
        raise UserError(f"{model_folder}: {error}") from None
    with atomic_folder(out) as partial:
        program.save(partial / MODEL_PREFIX)
        vocabulary.save(partial / VOCABULARY_FILE)
        inputs = {feed.name: feed.dtype for feed in INPUTS}
        exported = ExportSignature(**signature.model_dump(), inputs=inputs)
        write_json(partial / SIGNATURE_FILE, exported.model_dump(mode="json"))
        write_checksums(partial)
        try:
            difference = _largest_difference(program, partial, vocabulary, signature.max_length)
        except RuntimeError as error:  # Paddle does not report a full disk when it writes, only when it reads
            reason = str(error).strip().split("\n")[0]
            raise UserError(
                f"{out}: not written, Paddle cannot read its files back ({reason}); free disk space"
            ) from None
        if not difference <= TOLERANCE:
            raise UserError(f"{out}: not written, the exported model's scores differ by {difference:.1e}")
    return difference


def _largest_difference(program: InferenceProgram, folder: Path, vocabulary: Vocabulary, max_length: int) -> float:
    feeds = [_random_feed(vocabulary, rows, length) for rows, length in ((1, 3), (4, max_length))]
    exported_scores = call_in_new_process(_exported_scores, folder, feeds)
    pairs = [(program.scores(feed), exported) for feed, exported in zip(feeds, exported_scores, strict=True)]
    return max(float(np.abs(own - exported).max() / max(1.0, np.abs(own).max())) for own, exported in pairs)


def _random_feed(vocabulary: Vocabulary, rows: int, length: int) -> dict[str, np.ndarray]:
    ids = generator("export", rows, length).choice(vocabulary.ordinary_ids, (rows, length))
    return {"input_ids": ids, "sentence_ids": np.zeros_like(ids)}


def _exported_scores(folder: Path, feeds: list[dict[str, np.ndarray]]) -> list[np.ndarray]:
    predictor = Predictor(folder, on_gpu=False)  # like the original program
    return [predictor.scores(feed) for feed in feeds]
