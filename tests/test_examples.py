"""The Python that pages show runs, on small models in the place of those that the README trains."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from finetuning_support import write_recipe
from pages import ROOT, read_pages
from small_models import vocabulary_of, write_small_model

from ernie_paddle import finetune

SCRIPT = ROOT / "docs" / "examples" / "use_a_model.py"
CHARACTERS = "价格便宜质量很好不贵国务院召开会议下次还来太差了再买中人共和，。"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `runs/news`, `runs/reviews` and the recipe `reviews.yaml`."""
    folder = tmp_path_factory.mktemp("readme")
    model = write_small_model(folder / "runs" / "news", vocabulary_of(sorted(set(CHARACTERS))), positions=32)
    data = folder / "reviews.tsv"
    data.write_text("text_a\tlabel\n" + "很好\tpositive\n太差了\tnegative\n" * 8, encoding="utf-8")
    signature = {"task": "classification", "labels": ["negative", "positive"], "max_length": 32}
    files = {"train": data, "dev": data, "test": data}
    recipe = write_recipe(folder / "reviews.yaml", files, signature=signature, epochs=1)
    finetune(recipe, model, folder / "runs" / "reviews")
    return folder


def printed(folder: Path, code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT))}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_script_runs(folder: Path) -> None:
    output = printed(folder, SCRIPT.read_text(encoding="utf-8"))
    assert "tokens and hidden size: (6, 32)" in output and "pairs: (2, 32)" in output
    assert "test {'accuracy':" in output and "of 16" in output
    assert "error: input 0: unknown key 'text_c'; did you mean 'text_b'?" in output
    assert float(output.split("largest difference of the export:")[1].split()[0]) <= 1e-5
    assert (folder / "exported_seed_2" / "export.json").is_file()


@pytest.mark.parametrize("name", ["README.md", "README_zh.md"])
def test_the_python_of_the_readme_runs(name: str, folder: Path) -> None:
    (block,) = [block for block in read_pages()[name].blocks if block.language == "python"]
    scope: dict[str, object] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        exec(block.text, scope)
    finally:
        os.chdir(before)
    assert np.shape(scope["vectors"]) == (2, 32)  # type: ignore[arg-type]
    assert [prediction.label in ("negative", "positive") for prediction in scope["predictions"]] == [True]  # type: ignore[attr-defined]
