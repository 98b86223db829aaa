"""Missing files are downloaded if possible; otherwise the error says where to get them."""

from pathlib import Path
from typing import Any

import pytest
from recipe_support import RECIPES, load_recipe

from ernie_paddle.errors import UserError
from tasks.finetuning.reading.data import DataSettings, read_sets


def recipe_data(name: str, folder: Path) -> DataSettings:
    return load_recipe(RECIPES / f"{name}.yaml", overrides=[f"data.folder={folder}"]).data


def test_files_that_nobody_has_for_download(tmp_path: Path) -> None:
    data = recipe_data("clue/chid", tmp_path)
    with pytest.raises(UserError) as error:
        read_sets(data, "dev", None)
    message = str(error.value)
    assert message.startswith(f"{tmp_path}/dev.json: not found; get them from {data.origin.page};")
    assert f"put train.json, dev.json, test1.1.json into {tmp_path}" in message
    assert "paddlenlp.datasets does not have it" in message and "\n" not in message
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def paddlenlp_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for what paddlenlp downloads."""
    home = tmp_path / "paddlenlp"
    for module in ("glue", "c3"):
        monkeypatch.setattr(f"paddlenlp.datasets.{module}.DATA_HOME", str(home))
    return home


def test_without_a_network_the_error_gives_page_files_and_reason(
    tmp_path: Path, paddlenlp_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*arguments: Any) -> str:
        raise RuntimeError("Download from\nhttps://x failed. Retry limit reached")

    monkeypatch.setattr("paddlenlp.datasets.glue.get_path_from_url", offline)
    with pytest.raises(UserError) as error:
        read_sets(recipe_data("glue/cola", tmp_path / "CoLA"), "train", ["0", "1"])
    assert str(error.value) == (
        f"{tmp_path}/CoLA/train.tsv: not found; get them from https://gluebenchmark.com/tasks; "
        f"put train.tsv, dev.tsv, test.tsv into {tmp_path}/CoLA (paddlenlp.datasets could not download it: "
        "Download from https://x failed. Retry limit reached), or set data.folder"
    )


def test_what_paddlenlp_downloads_is_put_into_the_folder_and_read(
    tmp_path: Path, paddlenlp_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def unpack(url: str, root: str, md5: str) -> str:
        asked.append(url)
        (Path(root) / "CoLA").mkdir(parents=True, exist_ok=True)
        (Path(root) / "CoLA" / "train.tsv").write_text('gj04\t1\t\tThey "left.\n')
        return root

    monkeypatch.setattr("paddlenlp.datasets.glue.get_path_from_url", unpack)
    data = recipe_data("glue/cola", tmp_path / "CoLA")
    for _ in range(2):
        (loaded,) = read_sets(data, "train", ["0", "1"])
        assert [example.text_a for example in loaded.examples] == ['They "left.']
    assert len(asked) == 1 and asked[0].endswith("CoLA.zip")
    assert [path.name for path in (tmp_path / "CoLA").iterdir()] == ["train.tsv"]


def test_of_a_split_in_several_files_each_finds_its_own(
    tmp_path: Path, paddlenlp_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(url: str, root: str) -> None:
        Path(root).mkdir(parents=True, exist_ok=True)
        name = url.rsplit("/", 1)[1]
        question = f'{{"question": "{name}", "choice": ["a", "b"], "answer": "b"}}'
        (Path(root) / name).write_text(f'[[["s"], [{question}], "1"]]')

    monkeypatch.setattr("paddlenlp.datasets.c3.get_path_from_url", download)
    (loaded,) = read_sets(recipe_data("clue/c3", tmp_path / "c3"), "dev", None)
    assert [example.question for example in loaded.examples] == ["c3-d-dev.json", "c3-m-dev.json"]
    with pytest.raises(UserError, match=r"test1\.1\.json: not found.*does not have it"):
        read_sets(recipe_data("clue/c3", tmp_path / "c3"), "test", None)


def test_recipes_name_data_sets_and_splits_that_paddlenlp_has() -> None:
    from paddlenlp.datasets.dataset import import_main_class

    named = 0
    for path in sorted(RECIPES.glob("*/*.yaml")):
        data = load_recipe(path).data
        if (source := data.origin.paddlenlp) is None:
            continue
        builder = import_main_class(source.dataset)
        known = builder.BUILDER_CONFIGS[source.name]["splits"] if source.name else builder.SPLITS
        assert set(source.splits.values()) <= set(known), path
        assert set(source.splits) <= set(data.file_names()), path
        named += 1
    assert named >= 20
