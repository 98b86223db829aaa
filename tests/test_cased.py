"""A cased vocabulary goes the whole way: vocabulary, samples, pre-training, fine-tuning, exports, other layouts."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from finetuning_support import write_recipe
from helpers import Run, assert_user_error, read_exports_back_here
from real_text_support import RealText

from data_builders.annotation.sentences import sentences
from ernie_paddle import Encoder, Predictor
from ernie_paddle.cli import main
from ernie_paddle.data.shards import SPLITS, SampleTable
from ernie_paddle.inputs import input_rows
from ernie_paddle.model.saved import load_model
from ernie_paddle.testing import toy_plan, write_toy_model
from ernie_paddle.text.vocabulary import Vocabulary

pytestmark = pytest.mark.slow  # the fixture runs a flow

TASKS = ("knowledge_masking", "token_document_relation", "sentence_reordering", "discourse_relation")
FORMATS = ("paddle", "bert", *(["onnx"] if find_spec("onnxruntime") else []))
TEXTS = ["NASA in Zürich", "nasa in zurich", "naïve É 北京", "The the THE"]


@dataclass(frozen=True)
class Flow:
    """The folders of a flow, in which every step was a command."""

    folder: Path
    config: dict[str, Any]

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.load(self.folder / "vocab.txt")

    def build(self, *tasks: str) -> list[object]:
        """Return the command that builds samples of tasks."""
        path = self.folder / f"{'_'.join(tasks)}.yaml"
        own = {task: {"corpora": ["en"]} for task in tasks}
        if "discourse_relation" in own:
            own["discourse_relation"] |= {"options": {"least_per_marker": 1}}  # type: ignore[dict-item]
        path.write_text(yaml.safe_dump(self.config | {"tasks": own}))
        return ["build", "--corpora", path, "--out", self.folder / "shards"]


def done(*command: object) -> None:
    main([str(part) for part in command])


@pytest.fixture(scope="module")
def flow(real_text: RealText, tmp_path_factory: pytest.TempPathFactory) -> Flow:
    folder, corpus = tmp_path_factory.mktemp("cased"), real_text.settings["corpora"]["en"]
    flow = Flow(folder, real_text.settings | {"vocab": str(folder / "vocab.txt"), "corpora": {"en": corpus}})
    done("vocab", "--cased", "--size", 1500, "--out", folder / "vocab.txt", f"{corpus['format']}:{corpus['path']}")
    done(*flow.build(*TASKS))
    size = flow.vocabulary.size
    model = write_toy_model(folder / "model.json", size, max_position_embeddings=96, task_type_vocab_size=7)
    plan = toy_plan(model, folder / "shards", TASKS, steps=1)
    plan["train"]["batch_tokens"] = 512
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    done("pretrain", folder / "plan.yaml", "--out", folder / "run")
    (folder / "rows.tsv").write_text("label\ttext_a\n" + "".join(f"yes\t{t}\nno\t{t.lower()}\n" for t in TEXTS * 4))
    recipe = write_recipe(folder / "recipe.yaml", {"train": folder / "rows.tsv", "dev": folder / "rows.tsv"}, epochs=1)
    done("finetune", recipe, "--model", folder / "run", "--out", folder / "tuned")
    with pytest.MonkeyPatch.context() as patch:
        read_exports_back_here(patch)
        for format in FORMATS:
            done("export", folder / "run", "--out", folder / f"encoder_{format}", "--format", format)
            done("export", folder / "tuned", "--out", folder / f"tuned_{format}", "--format", format)
    for name in ("encoder_bert", "tuned_bert"):
        (folder / name).rename(folder / f"{name}_theirs")
        done("convert", folder / f"{name}_theirs", "--out", folder / name)
    return flow


def vocabularies(flow: Flow) -> dict[str, Vocabulary]:
    """Every vocabulary that the flow wrote, by its file."""
    return {str(path.relative_to(flow.folder)): Vocabulary.load(path) for path in flow.folder.rglob("vocab.txt")}


def test_every_folder_has_the_same_cased_vocabulary(flow: Flow) -> None:
    found = vocabularies(flow)
    assert {"shards/vocab.txt", "tuned/best/vocab.txt", "encoder_bert_theirs/vocab.txt"} <= found.keys()
    assert len(found) >= 5 + 2 * len(FORMATS) + 2
    assert {name: vocabulary.digest for name, vocabulary in found.items()} == dict.fromkeys(
        found, flow.vocabulary.digest
    )
    assert not flow.vocabulary.lower_case and any(token[:1].isupper() for token in flow.vocabulary.ids)


def test_samples_have_the_ids_of_the_text_as_it_is_written(flow: Flow, real_text: RealText) -> None:
    tokenizer = flow.vocabulary.tokenizer
    lines = {
        tuple(tokenizer.encode(line, add_special_tokens=False).ids)
        for document in real_text.sources["en"].documents()
        for paragraph in document.paragraphs
        for line in sentences(paragraph, "en")
    }
    checked = 0
    for split in SPLITS:
        table = SampleTable.open(flow.folder / "shards" / "sentence_reordering", split)
        block = table.take(np.arange(len(table)))
        for ids in np.split(block.columns["input_ids"], np.cumsum(block.lengths)[:-1]):
            segments = np.split(ids[1:], np.flatnonzero(ids[1:] == flow.vocabulary.sep_id))
            checked += sum(tuple(segment[segment != flow.vocabulary.sep_id].tolist()) in lines for segment in segments)
    assert checked > 30


@pytest.mark.parametrize("name", ["run", *(f"encoder_{format}" for format in FORMATS)])
def test_texts_get_the_ids_and_vectors_of_the_same_encoder(flow: Flow, name: str) -> None:
    encoder, expected = Encoder.load(flow.folder / name), Encoder.load(flow.folder / "run")
    vectors = encoder.encode(TEXTS)
    np.testing.assert_allclose(vectors, expected.encode(TEXTS), atol=1e-4)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3, "capital letters and accents count"
    ids = [row.token_ids.tolist() for row in encoder.stream(input_rows(TEXTS))]  # type: ignore[union-attr]
    whole = flow.vocabulary.tokenizer.encode_batch(TEXTS, add_special_tokens=False)
    assert [row[1:-1] for row in ids] == [encoding.ids for encoding in whole]


@pytest.mark.parametrize("name", ["tuned", *(f"tuned_{format}" for format in FORMATS)])
def test_predictions_are_the_same_in_every_format(flow: Flow, name: str) -> None:
    found, expected = (
        np.array([list(one.probabilities.values()) for one in Predictor.load(flow.folder / folder).predict(TEXTS)])  # type: ignore[attr-defined]
        for folder in (name, "tuned")
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert not np.allclose(found[0], found[1], atol=1e-6)


def test_words_are_added_as_they_are_written(flow: Flow, run: Run, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("Zürichsee\nzürichsee\n")
    assert run("vocab-add", flow.folder / "run", tmp_path / "words.txt", "--out", tmp_path / "grown")[0] == 0
    vocabulary = load_model(tmp_path / "grown").vocabulary
    tokens = vocabulary.tokenizer.encode("Zürichsee zürichsee", add_special_tokens=False).tokens
    assert tokens == ["Zürichsee", "zürichsee"] and not vocabulary.lower_case


def test_masks_are_filled_with_tokens_of_the_vocabulary(flow: Flow) -> None:
    (found, *_) = Encoder.load(flow.folder / "run").fill_mask("The [MASK] of Zürich", top=1)
    assert found.text == f"The {found.token} of Zürich" and found.token in {
        token.removeprefix("##") for token in flow.vocabulary.ids
    }


def test_capitalization_refuses_a_vocabulary_that_shows_it(flow: Flow, run: Run) -> None:
    code, stderr = run(*flow.build("capitalization"))
    assert_user_error(code, stderr, "tasks.capitalization", "cased vocabulary", "lower-cased")
    assert not (flow.folder / "shards" / "capitalization").exists()


def test_a_plan_with_the_vocabulary_of_the_other_case_is_refused(flow: Flow, run: Run, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes((flow.folder / "vocab.txt").read_bytes())  # without its tokenizer config
    setting = ["--set", f"data.vocab={tmp_path / 'vocab.txt'}"]
    code, stderr = run("pretrain", flow.folder / "plan.yaml", "--out", tmp_path / "run", *setting)
    assert_user_error(code, stderr, "built with a cased vocabulary of the same tokens", "tokenizer_config.json")


def test_a_vocabulary_that_looks_cased_is_warned_of(flow: Flow, run: Run, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes((flow.folder / "vocab.txt").read_bytes())
    command = [*flow.build("knowledge_masking")[:3], "--out", tmp_path / "shards"]
    code, stderr = run(*command, "--set", f"vocab={tmp_path / 'vocab.txt'}")
    assert code == 0 and "tokens have capital letters and are never found" in stderr


def test_a_cased_vocabulary_needs_the_name_of_its_tokenizer_config(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("A text.")
    code, stderr = run("vocab", "--cased", "--size", 100, "--out", tmp_path / "cased.txt", tmp_path / "text.txt")
    assert_user_error(code, stderr, "cased.txt", "must be named vocab.txt")
    assert not (tmp_path / "cased.txt").exists()
