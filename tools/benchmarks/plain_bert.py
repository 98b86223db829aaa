"""Models that were exported as plain BERT, opened by the libraries that open BERT. Run by tools/benchmark.sh.

Each library runs in its own environment and writes what it computes, which is compared with what our programs compute.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from comparing import CONSOLE, OUT, PEERS
from rich.table import Table

from ernie_paddle.data.batch import PaddedLayout
from ernie_paddle.finetuning_task import KeptSignature
from ernie_paddle.inference.backends import inference_program
from ernie_paddle.inference.export import FeedArrays, export, random_feed
from ernie_paddle.inference.heads import head_of, masked_lm_head
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.model.saved import Model, save_model
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.session import Session
from ernie_paddle.registry import Registry, load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Task
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary

TOLERANCE = 1e-5
LETTERS, CHINESE = "abcdefghijklmnopqrstuvwxyz,?", "北京是中国首都的一个大城市"
VOCABULARY = Vocabulary({w: i for i, w in enumerate([*SPECIAL_TOKENS, *LETTERS, *sorted(set(CHINESE)), "##a", "##b"])})
TEXTS = ["北京是中国的首都", "A b c, is it?", "b", "一个大城市 of 中国 aab", "x y z " * 12]
SIZES = {"vocab_size": VOCABULARY.size, "hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 3}
ENCODERS = {
    "gelu": {"hidden_act": "gelu", "use_task_id": True, "max_position_embeddings": 128},
    "relu_513_positions": {"hidden_act": "relu", "use_task_id": True, "max_position_embeddings": 513},
    "epsilon": {"hidden_act": "gelu", "layer_norm_epsilon": 1e-12, "max_position_embeddings": 64},
}
FINETUNED = {"hidden_act": "relu", "use_task_id": True, "max_position_embeddings": 64}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark", choices=["plain_bert"])
    parser.add_argument("--peers", required=True, help="Python of the environment with sentence-transformers")
    parser.add_argument("--infinity", required=True, help="Python of the environment with infinity-emb")
    args = parser.parse_args()
    folder, registry = OUT / "plain_bert", load_plugins()
    shutil.rmtree(folder, ignore_errors=True)
    for name, settings in ENCODERS.items():
        write_encoder(folder / name, ErnieConfig(**{**SIZES, **settings}), registry)
    for task in registry.finetuning_tasks:
        write_finetuned(folder / task.name, task.name, registry)
    table, worst = Table("library", "model", "output", "largest difference", title="plain BERT in other libraries"), 0.0
    for python, library in ((args.peers, "transformers"), (args.infinity, "infinity")):
        subprocess.run([python, PEERS / f"{library}_bert.py", folder], check=True)
        for theirs in sorted(folder.glob(f"*/{library}.npz")):
            for output, difference in differences(theirs).items():
                table.add_row(library, theirs.parent.name, output, f"{difference:.1e}")
                worst = max(worst, difference) if np.isfinite(difference) else np.inf
    CONSOLE.print(table)
    if worst > TOLERANCE:
        sys.exit(f"outputs differ by more than {TOLERANCE:.0e}")


def write_encoder(folder: Path, config: ErnieConfig, registry: Registry) -> None:
    """Export a pre-trained model, and write what it computes for random words and for texts."""
    tasks = [registry.pretraining_tasks.get(name) for name in ("knowledge_masking", "sentence_distance")]
    model = Model(config, VOCABULARY, random_parameters(config, tasks))
    feed = random_feed(VOCABULARY, [config.max_position_embeddings, 9, 3])
    feed["input_ids"][:, 2] = VOCABULARY.mask_id
    program = inference_program(model, head_of(model, registry), folder.name)
    hidden, pooled = program.run(feed)
    (masked,) = inference_program(model, masked_lm_head(model.parameters, folder.name), folder.name).run(feed)
    texts = text_feed(TEXTS)
    tokens, is_token = program.run(texts)[0], texts["input_ids"] != VOCABULARY.pad_id
    means = np.stack([row[real].mean(0) for row, real in zip(tokens, is_token, strict=True)])
    outputs = {"hidden": hidden, "pooled": pooled, "masked": masked, "texts": means}
    write_case(folder, model, registry, feed, outputs)


def write_finetuned(folder: Path, name: str, registry: Registry) -> None:
    """Export a fine-tuned model, and write its scores for random words."""
    task, config = registry.finetuning_tasks.get(name), ErnieConfig(**{**SIZES, **FINETUNED})
    labels = ("first", "second", "third") if task.has_labels else None
    signature = KeptSignature(task=name, labels=labels, max_length=64, task_id=3, data={})
    parameters = random_parameters(config, [Task(name, 3, task.objective(signature))])
    model = Model(config, VOCABULARY, parameters, signature)
    feed = random_feed(VOCABULARY, [64, 9, 3])
    (scores,) = inference_program(model, head_of(model, registry), name).run(feed)
    write_case(folder, model, registry, feed, {"scores" if labels else "logits": scores})


def write_case(
    folder: Path, model: Model, registry: Registry, feed: FeedArrays, outputs: dict[str, np.ndarray]
) -> None:
    """Write `bert/`, the export, and `ours.npz` with inputs and outputs, zeros at padding; texts are in `texts.txt`."""
    (folder / "model").mkdir(parents=True)
    save_model(folder / "model", model)
    export(folder / "model", folder / "bert", registry, "bert")
    is_token = feed["input_ids"] != VOCABULARY.pad_id
    for name, values in outputs.items():
        if values.ndim == 3:
            outputs[name] = np.where(is_token[..., None], values, 0)
    np.savez(folder / "ours.npz", **feed, is_token=is_token, mask_id=VOCABULARY.mask_id, **outputs)
    (folder / "texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")


def random_parameters(config: ErnieConfig, tasks: list[Task]) -> dict[str, np.ndarray]:
    """Return initial parameters with noise, so that biases and norms count too."""
    session = Session(config, 1, AdamSettings(), Cpu())
    session.parameter_shapes(tasks)
    return {
        name: np.array(value) + generator("plain bert", name).normal(0, 0.1, value.shape).astype(np.float32)
        for name, value in session.parameters().items()
    }


def text_feed(texts: list[str]) -> FeedArrays:
    """Return texts as padded rows of `[CLS]`, their tokens and `[SEP]`."""
    encoded = [VOCABULARY.tokenizer.encode(text).ids for text in texts]
    rows = [np.array([VOCABULARY.cls_id, *ids, VOCABULARY.sep_id]) for ids in encoded]
    ids = PaddedLayout.of(np.array([len(row) for row in rows])).pad(np.concatenate(rows), VOCABULARY.pad_id)
    return {"input_ids": ids, "sentence_ids": np.zeros_like(ids)}


def differences(theirs: Path) -> dict[str, float]:
    """Return the largest difference of each output of a library, relative to the largest value if that is above 1."""
    ours, found = np.load(theirs.with_name("ours.npz")), np.load(theirs)
    result = {}
    for name in found.files:
        expected, values = ours[name], found[name]
        if theirs.stem == "infinity":  # which normalises its vectors
            expected = expected / np.linalg.norm(expected, axis=-1, keepdims=True)
            values = values / np.linalg.norm(values, axis=-1, keepdims=True)
        result[name] = float(np.abs(expected - values).max() / max(1.0, np.abs(expected).max()))
    return result


if __name__ == "__main__":
    main()
