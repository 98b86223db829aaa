"""`ernie-paddle convert`: round trips through all layouts, load reports, and sources with mistakes."""

import json
import pickle
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import Run, assert_user_error, released, run_command
from rich.console import Console
from safetensors.numpy import load_file, save_file
from weights_support import SIZES, assert_equal, random_model, write_model
from weights_support import read_model as read

from ernie_paddle.console import print_table
from ernie_paddle.errors import UserError
from ernie_paddle.model.saved import load_model, save_model
from ernie_paddle.registry import load_plugins
from ernie_paddle.testing import toy_vocabulary
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.weights import conversion
from ernie_paddle.weights.conversion import recognise
from ernie_paddle.weights.lod_tensors import read_tensor, write_tensor
from ernie_paddle.weights.report import ConversionReport, TensorStatus


def names_with(report: ConversionReport, status: TensorStatus) -> list[str]:
    return [tensor.theirs for tensor in report.with_status(status)]


def change(path: Path, **values: Any) -> None:
    """Set keys of a JSON file; None removes one."""
    tree = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in tree.items() if value is not None}))


def alter(path: Path, edit: Callable[[dict[str, np.ndarray]], None]) -> None:
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)


# ---- round trips ----


@pytest.mark.parametrize("layout", ["ernie-paddle", "release", "paddlenlp", "huggingface"])
@pytest.mark.parametrize("settings", [{"hidden_act": "relu"}, {"use_task_id": True, "heads": {"cls_out": 3}}])
def test_every_layout_gives_back_the_model(tmp_path: Path, layout: str, settings: dict[str, Any]) -> None:
    model = random_model(**{"layer_norm_epsilon": 1e-12, **settings})
    write_model(layout, tmp_path / "out", model)
    assert recognise(tmp_path / "out").name == layout
    found, report = read(tmp_path / "out")
    report.check()
    assert_equal(found, model)
    assert len(names_with(report, TensorStatus.MATCHED)) == len(model.parameters)
    assert not names_with(report, TensorStatus.UNEXPECTED)


def test_of_a_run_the_newest_checkpoint_is_read(tmp_path: Path) -> None:
    newest = random_model()
    newest.parameters["pooled_fc.b_0"] += 1
    for number, model in ((9, random_model()), (10, newest)):
        (tmp_path / f"step_{number}").mkdir()
        save_model(tmp_path / f"step_{number}", model)
    assert recognise(tmp_path).name == "ernie-paddle"
    assert_equal(read(tmp_path)[0], newest)
    assert_equal(read(tmp_path / "step_9")[0], random_model())


def test_task_heads_stay_in_the_release_layout_and_are_named_when_not_written(tmp_path: Path) -> None:
    model = random_model()
    heads = {
        "sentence_distance_fc.w_0": np.ones((24, 3), np.float32),
        "sentence_distance_fc.b_0": np.ones(3, np.float32),
    }
    model.parameters.update(heads)
    assert write_model("release", tmp_path / "release", model) == []
    assert_equal(read(tmp_path / "release")[0], model)
    (note,) = write_model("huggingface", tmp_path / "huggingface", model)
    assert all(name in note for name in heads)


def test_the_command_says_layout_tensors_and_notes(tmp_path: Path) -> None:
    model = random_model(heads={"cls_out": 2})
    for name in [name for name in model.parameters if name.startswith(("mask_lm", "pooled"))]:
        del model.parameters[name]
    (tmp_path / "mine").mkdir()
    save_model(tmp_path / "mine", model)
    done = run_command("convert", tmp_path / "mine", "--to", "huggingface", "--out", tmp_path / "theirs")
    assert done.returncode == 0, done.stderr
    done = run_command("convert", tmp_path / "theirs", "--out", tmp_path / "again")
    assert done.returncode == 0, done.stderr
    assert "layout huggingface" in done.stdout and "ernie.encoder.layer.1.output.dense.weight" in done.stdout
    for part in ("pooler", "masked-LM head", "task embedding"):
        assert f"note: there is no {part}\n" in done.stdout
    assert "39 matched, 0 tied, 8 missing, 0 unexpected, 0 mismatched" in done.stdout
    assert_equal(load_model(tmp_path / "again"), model)


# ---- the release ----


def test_checkpoints_of_training_in_fp16_give_their_master_copies(tmp_path: Path) -> None:
    model = random_model(heads={"cls_out": 2})
    write_model("release", tmp_path / "out", model)
    folder = tmp_path / "out" / "params"
    for path in list(folder.glob("encoder_layer_0*_0")):
        write_tensor(folder / f"{path.name}.master", read_tensor(path)[0])
        write_tensor(path, read_tensor(path)[0].astype(np.float16) + np.float16(1))
    states = [f"word_embedding_{name}_0" for name in ("moment1", "moment2", "beta1_pow_acc", "beta2_pow_acc")]
    states += ["learning_rate_0", "scheduled_learning_rate", "@LR_DECAY_COUNTER@"]
    states += ["loss_scaling_0", "num_good_steps_0", "num_bad_steps_0"]
    for name in states:
        write_tensor(folder / name, np.ones(1, np.float32))
    assert (folder / "_cls_out_w").is_file()
    found, report = read(folder)  # the inner folder works too
    assert_equal(found, model)
    assert report.notes[0].startswith("10 files are state") and not names_with(report, TensorStatus.UNEXPECTED)


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    model = random_model()
    write_model("release", tmp_path / "out", model)
    for path in (tmp_path / "out" / "params").iterdir():
        write_tensor(path, read_tensor(path)[0].astype(np.float16))
    found, _ = read(tmp_path / "out")
    for name, values in model.parameters.items():
        assert found.parameters[name].dtype == np.float32
        np.testing.assert_array_equal(found.parameters[name], values.astype(np.float16).astype(np.float32))


def test_a_head_that_is_not_tied_gets_a_note(tmp_path: Path) -> None:
    write_model("release", tmp_path / "out", random_model())
    write_tensor(tmp_path / "out" / "params" / "mask_lm_out_fc.w_0", np.ones((24, 40), np.float32))
    _, report = read(tmp_path / "out")
    assert names_with(report, TensorStatus.UNEXPECTED) == ["mask_lm_out_fc.w_0"]
    assert "mask_lm_out_fc.w_0 differs from word_embedding" in report.notes[0]


def test_the_released_chinese_vocabulary_fits_an_embedding_with_more_rows(tmp_path: Path) -> None:
    model = random_model(vocab_size=18000)
    write_model("release", tmp_path / "out", model)
    found, report = read(tmp_path / "out", released("vocab_zh.txt"))
    assert found.vocabulary.size == 17964 and found.parameters["word_embedding"].shape == (18000, 24)
    assert [note for note in report.notes if "18000 rows for 17964 entries" in note]
    write_model("paddlenlp", tmp_path / "theirs", found)
    again = Vocabulary.load(tmp_path / "theirs" / "vocab.txt")
    assert again == found.vocabulary
    assert len((tmp_path / "theirs" / "vocab.txt").read_bytes().splitlines()) == 17964


# ---- PaddleNLP ----


def test_the_nested_configuration_of_old_paddlenlp_is_read(tmp_path: Path) -> None:
    model = random_model(heads={"cls_out": 3}, layer_norm_epsilon=1e-12)
    write_model("paddlenlp", tmp_path / "out", model)
    tree = json.loads((tmp_path / "out" / "config.json").read_text())
    (tmp_path / "out" / "config.json").unlink()
    keys = {key: value for key, value in tree.items() if key in SIZES or key == "hidden_act"}
    keys |= {"type_vocab_size": tree["type_vocab_size"], "init_class": "ErnieModel"}
    old = {"init_args": [keys], "num_classes": 3, "init_class": "ErnieForSequenceClassification"}
    (tmp_path / "out" / "model_config.json").write_text(json.dumps(old))
    (tmp_path / "out" / "model_state.pdparams").rename(tmp_path / "out" / "ernie_v2.pdparams")
    assert_equal(read(tmp_path / "out")[0], model)


def test_sizes_that_a_configuration_leaves_out_are_the_librarys_own(tmp_path: Path) -> None:
    """PaddleNLP has 16 sentence types, Hugging Face two."""
    for layout, types in (("paddlenlp", 16), ("huggingface", 2)):
        model = random_model(layer_norm_epsilon=1e-12, task_type_vocab_size=3, sent_type_vocab_size=types)
        write_model(layout, tmp_path / layout, model)
        omitted = ("type_vocab_size", "task_type_vocab_size", "layer_norm_eps", "use_task_id", "initializer_range")
        change(tmp_path / layout / "config.json", **dict.fromkeys(omitted))
        assert_equal(read(tmp_path / layout)[0], model)


@pytest.mark.parametrize(
    ("layout", "family", "told", "epsilon"),
    [
        ("paddlenlp", "ernie", 1e-5, 1e-12),  # whatever is told
        ("paddlenlp", "ernie", 1e-12, 1e-12),
        ("paddlenlp", "bert", 1e-3, 1e-3),
        ("paddlenlp", "bert", None, 1e-12),
        ("huggingface", "ernie", 1e-5, 1e-5),
        ("huggingface", "bert", 1e-3, 1e-3),
        ("huggingface", "ernie", None, 1e-12),
    ],
)
def test_epsilon_is_the_one_that_the_library_computes_with(
    tmp_path: Path, layout: str, family: str, told: float | None, epsilon: float
) -> None:
    write_model(layout, tmp_path / "out", random_model(layer_norm_epsilon=1e-12))
    change(tmp_path / "out" / "config.json", model_type=family, layer_norm_eps=told)
    found, report = read(tmp_path / "out")
    assert found.config.layer_norm_epsilon == epsilon
    assert bool([note for note in report.notes if "epsilon" in note]) == (epsilon != (told or 1e-12))


def test_an_epsilon_that_a_library_does_not_take_is_said(tmp_path: Path) -> None:
    for layout, taken, other in (("paddlenlp", 1e-12, 1e-5), ("release", 1e-5, 1e-12)):
        assert not write_model(layout, tmp_path / layout, random_model(layer_norm_epsilon=taken))
        (note,) = write_model(layout, tmp_path / f"{layout}_other", random_model(layer_norm_epsilon=other))
        assert f"epsilon {taken}" in note and f"{other}" in note
    assert not write_model("huggingface", tmp_path / "huggingface", random_model(layer_norm_epsilon=1e-3))


def test_a_model_with_both_heads_of_pre_training_has_the_class_of_each_library(tmp_path: Path) -> None:
    for layout, name in (("paddlenlp", "ErnieForPretraining"), ("huggingface", "ErnieForPreTraining")):
        model = random_model(heads={"next_sent_fc": 2}, layer_norm_epsilon=1e-12)
        write_model(layout, tmp_path / layout, model)
        assert json.loads((tmp_path / layout / "config.json").read_text())["architectures"] == [name]
        assert_equal(read(tmp_path / layout)[0], model)


# ---- Hugging Face ----


def test_names_without_prefix_old_norms_buffers_and_tied_copies_are_understood(tmp_path: Path) -> None:
    model = random_model(heads={"cls_out": 2})
    write_model("huggingface", tmp_path / "out", model)

    def older(tensors: dict[str, np.ndarray]) -> None:
        for name in list(tensors):
            older = name.removeprefix("ernie.").replace("LayerNorm.weight", "LayerNorm.gamma")
            tensors[older.replace("LayerNorm.bias", "LayerNorm.beta")] = tensors.pop(name)
        tensors["embeddings.position_ids"] = np.arange(16)[None]
        tensors["cls.predictions.decoder.weight"] = tensors["embeddings.word_embeddings.weight"].copy()
        tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"].copy()
        tensors["qa_outputs.bias"] = np.zeros(2, np.float32)

    alter(tmp_path / "out" / "model.safetensors", older)
    found, report = read(tmp_path / "out")
    assert_equal(found, model)
    assert names_with(report, TensorStatus.UNEXPECTED) == ["qa_outputs.bias"]
    tied = ["cls.predictions.decoder.bias", "cls.predictions.decoder.weight"]
    assert sorted(names_with(report, TensorStatus.TIED)) == tied


def test_a_switched_on_task_embedding_that_is_not_there_is_turned_off(tmp_path: Path) -> None:
    write_model("huggingface", tmp_path / "out", random_model())
    change(tmp_path / "out" / "config.json", use_task_id=True)
    model, report = read(tmp_path / "out")
    assert not model.config.use_task_id
    assert [note for note in report.notes if "use_task_id is turned off" in note]


HEAD = ("cls.predictions.transform.dense.weight", "cls.predictions.bias")


@pytest.mark.parametrize(
    ("missing", "note"),
    [
        (("ernie.embeddings.task_type_embeddings.weight",), "there is no task embedding"),
        (("ernie.pooler.dense.weight", "ernie.pooler.dense.bias"), "there is no pooler"),
        (("ernie.pooler.dense.bias",), "the pooler is incomplete: ernie.pooler.dense.bias missing"),
        (HEAD, f"the masked-LM head is incomplete: {', '.join(HEAD)} missing"),
    ],
)
def test_parts_that_are_missing_or_not_whole_are_said(tmp_path: Path, missing: tuple[str, ...], note: str) -> None:
    write_model("huggingface", tmp_path / "out", random_model(use_task_id=True))
    assert not read(tmp_path / "out")[1].notes

    def without(tensors: dict[str, np.ndarray]) -> None:
        for name in missing:
            del tensors[name]

    alter(tmp_path / "out" / "model.safetensors", without)
    _, report = read(tmp_path / "out")
    report.check()
    assert report.notes[0] == note and names_with(report, TensorStatus.MISSING) == list(missing)


# ---- mistakes ----


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A good source in Hugging Face's layout."""
    write_model("huggingface", tmp_path / "source", random_model(heads={"cls_out": 2}))
    return tmp_path / "source"


def drop(name: str) -> Callable[[dict[str, np.ndarray]], None]:
    def edit(tensors: dict[str, np.ndarray]) -> None:
        del tensors[name]

    return edit


def put(name: str, values: np.ndarray) -> Callable[[dict[str, np.ndarray]], None]:
    return lambda tensors: tensors.update({name: values})


NORM = "ernie.embeddings.LayerNorm.bias"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop("ernie.encoder.layer.1.output.dense.bias"), "1 encoder tensors are missing, .*layer.1.output.dense.bias"),
        (drop("ernie.embeddings.word_embeddings.weight"), "encoder tensors are missing"),
        (put(NORM, np.zeros(23, np.float32)), r"LayerNorm.bias is \[23\], expected \[24\] \(mismatched tensors: 1\)"),
        (
            put("classifier.weight", np.zeros((2, 7), np.float32)),
            r"classifier.weight is \[2, 7\], expected \[any, 24\]",
        ),
        (put(NORM, np.zeros(24, np.int64)), "LayerNorm.bias holds int64, expected floats"),
        (put(NORM, np.full(24, np.nan, np.float32)), "LayerNorm.bias holds values that are not finite"),
    ],
)
def test_weights_that_cannot_be_used_are_named(source: Path, edit: Any, message: str) -> None:
    alter(source / "model.safetensors", edit)
    with pytest.raises(UserError, match=message):
        read(source)[1].check()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_hidden_layers": 3}, "16 encoder tensors are missing"),
        ({"hidden_size": 48}, "mismatched tensors"),
        ({"hidden_act": "gelu_new"}, "config.json: key 'hidden_act'"),
        ({"model_type": "roberta"}, "config.json: a model of type 'roberta'"),
        ({"model_type": "ernie_m"}, "config.json: a model of type 'ernie_m'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"hidden_size": "wide"}, "config.json: key 'hidden_size'"),
        ({"vocab_size": 30}, "vocab.txt: 40 entries, the word embedding has 30 rows"),
    ],
)
def test_configurations_that_do_not_fit_are_named(source: Path, values: dict[str, Any], message: str) -> None:
    change(source / "config.json", **values)
    with pytest.raises(UserError, match=message):
        read(source)[1].check()


def test_a_checkpoint_of_ours_takes_no_other_configuration(source: Path, tmp_path: Path) -> None:
    write_model("ernie-paddle", tmp_path / "mine", random_model())
    with pytest.raises(UserError, match=r"mine: a checkpoint of this project.*remove --config"):
        read(tmp_path / "mine", config=source / "config.json")


def test_a_configuration_beside_the_source_is_taken(source: Path, tmp_path: Path) -> None:
    (source / "config.json").rename(tmp_path / "other.json")
    (source / "config.json").write_text("{}")
    with pytest.raises(UserError, match="model of type"):
        read(source)
    read(source, config=tmp_path / "other.json")[1].check()


def test_mistakes_end_in_one_line_and_leave_nothing(run: Run, source: Path, tmp_path: Path) -> None:
    def fails(folder: Path, *words: str, options: tuple[object, ...] = ()) -> None:
        assert_user_error(*run("convert", folder, "--out", tmp_path / "out", *options), *words)
        assert not list(tmp_path.glob("*out*"))

    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", "no model of a known layout", "params/word_embedding", "model_state.pdparams")
    fails(tmp_path / "nowhere", "nowhere: not found; name the folder")
    fails(source, "already has the layout huggingface", options=("--to", "huggingface"))
    (source / "vocab.txt").rename(tmp_path / "vocab.txt")
    fails(source, "vocab.txt", "not found", "--vocab")
    few = toy_vocabulary(map(str, range(36)))
    few.save(tmp_path / "vocab.txt")
    fails(source, "41 entries", "40 rows", options=("--vocab", tmp_path / "vocab.txt"))
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    fails(source, "pytorch_model.bin", "ErnieForSequenceClassification.from_pretrained", "AutoTokenizer")
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "config.json").write_text((source / "config.json").read_text())
    (tmp_path / "pickled" / "model_state.pdparams").write_bytes(pickle.dumps({"a": print}))
    fails(tmp_path / "pickled", "model_state.pdparams", "builtins.print")


@pytest.mark.parametrize("file", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
def test_the_advice_about_a_pickle_keeps_head_and_vocabulary(source: Path, file: str) -> None:
    """It names the class of the configuration, and the tokenizer."""
    (source / "model.safetensors").rename(source / file)
    with pytest.raises(UserError) as error:
        read(source)
    code = str(error.value).partition('python -c "')[2].removesuffix('"')
    imported, *calls = code.split("; ")
    assert imported == "from transformers import ErnieForSequenceClassification, AutoTokenizer"
    there = f"from_pretrained('{source}').save_pretrained('{source}_safetensors')"
    assert calls == [f"ErnieForSequenceClassification.{there}", f"AutoTokenizer.{there}"]


@pytest.mark.parametrize("width", [20, 80, 300])
def test_no_name_in_the_table_is_cut_or_wrapped(source: Path, width: int) -> None:
    _, report = read(source)
    console = Console(width=width, file=StringIO())
    print_table(console, report.table())
    assert isinstance(console.file, StringIO) and console.width == width
    lines = console.file.getvalue().splitlines()
    for tensor in report.tensors:
        assert [row for row in lines if all(f" {cell} " in row for cell in (tensor.theirs, tensor.ours, tensor.shape))]


@pytest.mark.parametrize("layout", ["release", "paddlenlp", "huggingface"])
def test_the_number_of_tensors_is_that_of_the_files(tmp_path: Path, layout: str) -> None:
    """PaddleNLP's files contain tied copies, and some parameters have no name there."""
    model = random_model(heads={"cls_out": 2, "next_sent_fc": 2})
    model.parameters["sentence_distance_fc.b_0"] = np.ones(3, np.float32)
    said = conversion.write_model(conversion.LAYOUTS[layout], tmp_path / "out", model, load_plugins()).tensors
    counted = {
        "release": lambda folder: len(list((folder / "params").iterdir())),
        "paddlenlp": lambda folder: len(pickle.loads((folder / "model_state.pdparams").read_bytes())),
        "huggingface": lambda folder: len(load_file(folder / "model.safetensors")),
    }
    assert said == counted[layout](tmp_path / "out")
    assert (said == len(model.parameters)) == (layout == "release")


def test_an_existing_folder_is_not_overwritten(run: Run, source: Path) -> None:
    assert_user_error(*run("convert", source, "--out", source), "is not empty")
    assert recognise(source).name == "huggingface"
