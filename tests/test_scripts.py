"""The scripts that fine-tune a whole benchmark."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmark_files import BENCHMARKS
from small_models import character_vocabulary, write_small_model

TOOLS = Path(__file__).parents[1] / "tools"


def run_script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script with this environment's `ernie-paddle`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(TOOLS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False)


@pytest.mark.slow
def test_tasks_by_name_end_in_answers_under_the_leaderboards_names(tmp_path: Path) -> None:
    """MNLI's model also answers the diagnostic set; several seeds, of which the best answers."""
    data, out = tmp_path / "glue", tmp_path / "runs"
    for name, folder in (("mnli", "MNLI"), ("ax", "diagnostic")):
        BENCHMARKS[f"glue/{name}"]().write(data / folder)
    model = write_small_model(tmp_path / "model", character_vocabulary(data), positions=128)
    options = ("--model", model, "--data", data, "--out", out, "--seeds", "1,2", "--set", "epochs=1")
    done = run_script("finetune_glue.sh", *options, "train.batch_samples=8", "mnli")
    assert done.returncode == 0, done.stderr
    answers = {path.name: path.read_text().splitlines() for path in (out / "predictions").iterdir()}
    assert set(answers) == {"MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"}
    assert all(lines[0] == "index\tprediction" and len(lines) == 25 for lines in answers.values())
    best = out / "mnli" / (out / "mnli" / "best_run").read_text().strip()
    assert (best / "submission" / "MNLI-m.tsv").read_text().splitlines() == answers["MNLI-m.tsv"]
    assert not (out / "submission.zip").exists()


@pytest.mark.parametrize("script", ["finetune_glue.sh", "finetune_clue.sh"])
def test_mistakes_on_the_command_line_of_scripts(script: str) -> None:
    done = run_script(script, "cola2")
    assert done.returncode == 2 and "unknown task cola2; there are:" in done.stderr
    done = run_script(script)
    assert done.returncode == 2 and "--model is missing" in done.stderr
    done = run_script(script, "--help")
    assert done.returncode == 0 and "--seeds 1,2,3" in done.stdout and "set -e" not in done.stdout
