"""The installed package works outside of the repository and has the shipped configurations."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import yaml
from helpers import Run, assert_user_error
from small_models import character_vocabulary

from ernie_paddle.data.shards import SampleTable

ROOT = Path(__file__).parents[1]
PACKAGES = ("ernie_paddle", "tasks", "data_builders")
TEXT = "\n".join(f"The {word} of London sees Paris .\nIt is {word} ; She likes Rome .\n" for word in "abcdefghijkl")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of this repository, made without network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in (*PACKAGES, "configs"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, source)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The `bin` folder of a new environment with that wheel, which sees the dependencies of this one."""
    home = wheel.parent / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    pip("--python", home / "bin" / "python", "install", "--ignore-installed", "--no-deps", "--no-index", wheel)
    (packages,) = home.glob("lib/python*/site-packages")
    # A line of a .pth adds a folder, but not what its own .pth files name, such as this repository.
    (packages / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    return home / "bin"


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def outside(folder: Path, program: Path, *arguments: object) -> str:
    """Return what a program prints that runs outside of this repository."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_packages_and_configurations(wheel: Path) -> None:
    wanted = {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    wanted |= {f"{name}/py.typed" for name in PACKAGES} | {"ernie_paddle/__init__.pyi"}
    wanted |= {f"ernie_paddle/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (text,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
        (terms,) = (archive.read(name) for name in names if name.endswith("/LICENSE"))
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert terms == (ROOT / "LICENSE").read_bytes()
    metadata = Parser().parsestr(text)
    assert metadata["Name"] == "ernie-paddle" and metadata["License-Expression"] == "Apache-2.0"
    assert {"cpu", "gpu", "demo", "ray", "serve", "test"} <= set(metadata.get_all("Provides-Extra", []))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (metadata["Version"], metadata["License-Expression"])


@pytest.mark.slow
def test_an_installed_package_plans_and_builds_samples_outside_the_repository(installed: Path, tmp_path: Path) -> None:
    modules = f"import json, {', '.join(PACKAGES)}; print(json.dumps([m.__file__ for m in ({', '.join(PACKAGES)})]))"
    files = json.loads(outside(tmp_path, installed / "python", "-c", modules))
    assert all(Path(file).is_relative_to(installed.parent) for file in files), files
    command = installed / "ernie-paddle"
    assert "50,000" in outside(tmp_path, command, "plan", "configs/plans/ablation_continual_multi_task.yaml")
    (tmp_path / "articles.txt").write_text(TEXT)
    character_vocabulary(tmp_path).save(tmp_path / "vocab.txt")
    corpora = {"text": {"path": "articles.txt", "format": "text", "language": "en"}}
    tasks = {"capitalization": {"corpora": ["text"]}}
    sizes = {"max_length": 32, "validation_share": 0.3}
    tree = {"vocab": "vocab.txt", **sizes, "corpora": corpora, "tasks": tasks}
    (tmp_path / "corpora.yaml").write_text(yaml.safe_dump(tree))
    outside(tmp_path, command, "build", "--corpora", "corpora.yaml", "--out", "shards")
    assert len(SampleTable.open(tmp_path / "shards" / "capitalization", "train"))


def test_paths_of_configurations_mean_the_working_folders_files_then_the_shipped_ones(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "configs/plans/quickstart.yaml"
    code, stderr = run("plan", name)
    assert code == 0 and stderr.startswith("warning: runs/quickstart/shards: vocab.txt")
    code, stderr = run("pretrain", name, "--out", "run")
    assert_user_error(code, stderr, "runs/quickstart/shards")
    code, stderr = run("finetune", "configs/finetune/reviews.yaml", "--model", "model", "--out", "run")
    assert_user_error(code, stderr, "model")
    code, stderr = run("build", "--corpora", "configs/corpora/quickstart.yaml", "--out", "shards")
    assert_user_error(code, stderr, "runs/quickstart/vocab.txt")
    code, stderr = run("bench", "--model", "configs/models/quickstart.json", "--length", 100_000)
    assert_user_error(code, stderr, "positions")

    own = Path(name)
    own.parent.mkdir(parents=True)
    own.write_text("mine: 1\n")
    code, stderr = run("plan", name)
    assert_user_error(code, stderr, name, "mine")


@pytest.mark.parametrize("name", ["configs/plans/quickstrat.yaml", "configs", "quickstart.yaml", "/configs/a.yaml"])
def test_a_configuration_that_is_nowhere_is_named_as_it_was_given(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, stderr = run("plan", name)
    assert_user_error(code, stderr, f"{name}: configuration file not found")
