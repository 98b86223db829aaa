"""The same recipe over seeds and a grid."""

from hashlib import sha256
from pathlib import Path

import pytest
from finetuning_support import write_recipe
from helpers import assert_user_error, run_command

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.finetuning.settings import FinetuneSettings
from ernie_paddle.finetuning.sweep import BEST_RUN, SweepPoint, points, run_sweep
from ernie_paddle.finetuning_task import Signature
from ernie_paddle.locks import locked_folder
from ernie_paddle.model import saved
from ernie_paddle.training.log_file import RESULT_FILE, write_result

PARAMETERS = b"parameters"


def test_points_are_all_combinations_each_in_a_folder_of_its_own() -> None:
    sweep = points("1, 2", ["train.learning_rate.peak=1e-5,3e-5", "train.batch_samples=16,32,64"])
    assert len({point.folder for point in sweep}) == len(sweep) == 2 * 3 * 2
    assert sweep[1].overrides == ["train.learning_rate.peak=1e-5", "train.batch_samples=16", "train.seed=2"]
    assert sweep[1].folder == Path("peak=1e-5,batch_samples=16/seed=2")
    assert [point.folder for point in points("7,8", [])] == [Path("seed=7"), Path("seed=8")]
    assert [point.overrides for point in points(None, ["dropout=0.1,0.0"])] == [["dropout=0.1"], ["dropout=0.0"]]


def test_commas_in_brackets_do_not_separate_values() -> None:
    sweep = points(None, ["train.learning_rate.peak=[2e-5, 1e-5],[1e-5,1e-5],3e-5"])
    key = "train.learning_rate.peak"
    assert [point.overrides for point in sweep] == [[f"{key}=[2e-5, 1e-5]"], [f"{key}=[1e-5,1e-5]"], [f"{key}=3e-5"]]


@pytest.mark.parametrize(
    ("seeds", "grid"),
    [
        ("", []),
        ("a,b", []),
        ("1", ["train.batch_samples"]),
        (None, ["=3"]),
        (None, ["metric=a,b"]),
        (None, ["a.x=1", "b.x=2"]),
    ],
)
def test_a_sweep_without_values_is_refused(seeds: str | None, grid: list[str]) -> None:
    with pytest.raises(UserError, match=r"--seeds|--grid"):
        points(seeds, grid)


def settings_of(point: SweepPoint) -> FinetuneSettings:
    paper = {"dev_matched": {"accuracy": 86.0}, "dev_mismatched": {"accuracy": 1.0}, "test": {"f1": 70.0}}
    signature = Signature(task="classification", labels=("a", "b"), max_length=8)
    return FinetuneSettings(signature=signature, data={"train": point.seed}, paper=paper, paper_source="a README")


def result(point: SweepPoint, accuracy: float) -> dict[str, object]:
    scores = {
        "loss": 1.0,
        "values": {"accuracy": accuracy},
        "selection_metric": "accuracy",
        "count": 10,
        "degenerate": None,
    }
    return {"step": 5, "epoch": 1, "selected_on": "dev_matched", "sets": {"dev_matched": scores, "test": scores}} | {
        "run": {"settings": settings_of(point).identity(), "model": sha256(PARAMETERS).hexdigest()}
    }


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is taken for a model, whose parameters are the bytes `parameters`."""
    folder = tmp_path_factory.mktemp("model")
    (folder / saved.MODEL_FILE).write_bytes(PARAMETERS)
    return folder


def test_tables_the_best_run_and_resumption(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accuracies = {Path("peak=1e-5/seed=1"): 0.5, Path("peak=1e-5/seed=2"): 0.9}
    accuracies |= {Path("peak=3e-5/seed=1"): 0.8, Path("peak=3e-5/seed=2"): 0.7}
    ran = []

    def run_point(point: SweepPoint, out: Path, resume: str) -> None:
        ran.append(point.folder)
        assert resume == ("no" if len(ran) <= 4 else "auto")
        write_result(out, result(point, accuracies[point.folder]))

    sweep = points("1,2", ["train.learning_rate.peak=1e-5,3e-5"])
    with pytest.raises(UserError, match="no run to resume"):
        run_sweep(sweep, model, tmp_path, run_point, settings_of, resume="yes")
    with locked_folder(tmp_path), pytest.raises(UserError, match="another process is at work here"):
        run_sweep(sweep, model, tmp_path, run_point, settings_of, resume="no")
    run_sweep(sweep, model, tmp_path, run_point, settings_of, resume="no")
    assert ran == list(accuracies)
    assert (tmp_path / BEST_RUN).read_text() == "peak=1e-5/seed=2\n"
    table = read_json(tmp_path / "peak=3e-5" / "table.json", "table")
    assert table["all"]["median"]["dev accuracy"] == 0.75 and len(table["runs"]) == 2
    assert table["paper"] == {"dev accuracy": 0.86, "test f1": 0.7} and table["paper_source"] == "a README"
    assert (tmp_path / "peak=3e-5" / "table.tsv").read_text().splitlines()[-1].startswith("paper (a README)\t")
    assert capsys.readouterr().out.count("paper: a README") == 2
    (tmp_path / "peak=3e-5/seed=1" / RESULT_FILE).unlink()
    run_sweep(sweep, model, tmp_path, run_point, settings_of, resume="yes")
    assert ran[4:] == [Path("peak=3e-5/seed=1")]
    changed = settings_of(SweepPoint()).model_copy(update={"epochs": 9})
    with pytest.raises(UserError, match="finished with other settings"):
        run_sweep(sweep, model, tmp_path, run_point, lambda point: changed, resume="yes")
    (model / saved.MODEL_FILE).write_bytes(b"another")
    with pytest.raises(UserError, match="finished with another model"):
        run_sweep(sweep, model, tmp_path, run_point, settings_of, resume="auto")


def test_without_seeds_one_table_has_all_points_and_with_them_the_best_median_is_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_point(point: SweepPoint, out: Path, resume: str) -> None:
        rate, seed = point.grid["dropout"], int(point.seed or 0)
        write_result(out, result(point, {"0.1": 0.5, "0.2": 0.75, "0.3": 0.25}[rate] + seed / 100))

    for seeds in (None, "1,2,3"):
        out = tmp_path / str(seeds)
        run_sweep(points(seeds, ["dropout=0.1,0.2,0.3"]), model, out, run_point, settings_of, resume="no")
        said = capsys.readouterr().out.replace("\n", " ")
        if seeds is None:
            assert len(read_json(out / "table.json", "table")["runs"]) == 3 and "best median" not in said
        else:
            assert not (out / "table.json").exists() and f"best median on dev: {out / 'dropout=0.2'}, 77.00" in said
        assert (out / BEST_RUN).read_text() == ("dropout=0.2\n" if seeds is None else "dropout=0.2/seed=3\n")


@pytest.mark.slow
def test_seeds_of_a_recipe_end_in_one_table(toy_pretrained: Path, tmp_path: Path) -> None:
    rows = "".join(f"w{number % 9} w5\t{('no', 'yes')[number % 2]}\n" for number in range(40))
    (tmp_path / "data.tsv").write_text("text_a\tlabel\n" + rows)
    files = {"train": tmp_path / "data.tsv", "dev": tmp_path / "data.tsv"}
    recipe = write_recipe(tmp_path / "recipe.yaml", files, epochs=2, paper={"dev": {"accuracy": 91.0}})
    out = tmp_path / "runs"
    done = run_command("finetune", recipe, "--model", toy_pretrained, "--out", out, "--seeds", "1,2,3")
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in (out / "table.tsv").read_text().splitlines()]
    assert [row[:2] for row in rows[1:4]] == [["1", "1"], ["2", "2"], ["3", "3"]]
    assert rows[-1][0] == "paper" and "0.91" in rows[-1]
    assert (out / (out / BEST_RUN).read_text().strip() / "best" / "model.safetensors").exists()
    done = run_command("finetune", recipe, "--model", toy_pretrained, "--out", out, "--seeds", "one")
    assert_user_error(done.returncode, done.stderr, "--seeds one")
