"""Outputs that cannot be written end in one line and exit code 2, before the work if possible, with no partial file."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import Run, assert_user_error, files_at_most

from ernie_paddle.outputs import output_file, output_folder, output_path
from ernie_paddle.registry import load_plugins

CHECKS = (output_file, output_folder, output_path)


def outputs() -> list[tuple[str, argparse.Action]]:
    """Return the options of all commands that name outputs."""
    found = []
    for command in load_plugins().commands:
        parser = argparse.ArgumentParser()
        command.configure(parser)
        found += [(command.name, action) for action in parser._actions if action.dest in ("out", "output")]
    return found


def test_every_command_checks_its_output_before_its_work() -> None:
    assert {name for name, _ in outputs()} >= {"build", "convert", "export", "finetune", "predict", "report", "vocab"}
    assert all(action.type in CHECKS for _, action in outputs())


@pytest.mark.parametrize("check", CHECKS)
def test_what_can_be_written_passes_and_nothing_is_left(check: type, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("before")
    for name in ("new", "a/b/new", *([] if check is output_folder else ["there"])):
        assert check(str(tmp_path / name)) == tmp_path / name
    assert [path.name for path in tmp_path.iterdir()] == ["there"] and (tmp_path / "there").read_text() == "before"


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("file/x.tsv", "file is a file"),
        ("file/x/y.tsv", "file is a file"),
        ("/proc/x.tsv", "No such file"),
        ("/dev/null/x", "is a file"),
        ("x" * 300, "too long"),
    ],
)
def test_what_cannot_be_written_is_refused(check: type, place: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(argparse.ArgumentTypeError, match=words) as error:
        check(str(tmp_path / place))
    assert str(tmp_path / place) in str(error.value)


@pytest.mark.parametrize("check", CHECKS)
def test_an_empty_name_is_not_the_working_folder(check: type) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="an empty name"):
        check("")


def test_a_file_is_no_folder_and_a_device_neither(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for check, place in ((output_file, tmp_path), (output_file, "/dev/null"), (output_folder, tmp_path / "file")):
        with pytest.raises(argparse.ArgumentTypeError, match=r"is a f|regular"):
            check(str(place))
    assert output_path(str(tmp_path)) == tmp_path and output_path(str(tmp_path / "file")) == tmp_path / "file"


def test_the_command_line_says_so_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "predictions.tsv"
    code, stderr = run("predict", "export", "--input", tmp_path / "file", "--output", out)
    assert_user_error(code, stderr, "ernie-paddle predict:", "--output", str(out), "is a file")
    assert len(stderr.splitlines()) == 1


def test_a_disk_that_fills_up_ends_in_one_line_that_names_the_output(
    run: Run, toy_pretrained: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(map(chr, range(0x4E00, 0x4F00))) + "\n")
    (words := tmp_path / "words.txt").write_text("new\n")
    commands = {
        "vocab.txt": ["vocab", "--size", "300", "--out", tmp_path / "vocab.txt", text],
        "theirs": ["convert", toy_pretrained, "--to", "huggingface", "--out", tmp_path / "theirs"],
        "grown": ["vocab-add", toy_pretrained, words, "--out", tmp_path / "grown"],
        "other": ["convert", toy_pretrained, "--to", "release", "--out", tmp_path / "other"],
    }
    for name, command in commands.items():
        with files_at_most(500):
            code, stderr = run(*command)
        assert_user_error(code, stderr, str(tmp_path / name), "File too large")
    assert sorted(tmp_path.iterdir()) == [text, words]


def inspecting(toy_shards: Path, samples: int, stdout: int) -> subprocess.Popen[bytes]:
    folder = toy_shards / "sentence_distance"
    command = [sys.executable, "-m", "ernie_paddle", "inspect", str(folder), "--n", str(samples)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE)


def test_a_closed_pipe_ends_a_command_quietly(toy_shards: Path) -> None:
    process = inspecting(toy_shards, 96, subprocess.PIPE)
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 141


def test_standard_output_without_room_is_an_error(toy_shards: Path) -> None:
    with open("/dev/full", "wb") as full:
        process = inspecting(toy_shards, 1, full.fileno())
    assert process.stderr
    (line,) = process.stderr.read().decode().splitlines()
    assert process.wait() == 2
    assert line == "ernie-paddle inspect: standard output: No space left on device"


def test_a_table_for_which_standard_output_has_no_room_is_an_error_that_names_it() -> None:
    command = [sys.executable, "-m", "ernie_paddle", "plan", "configs/plans/ablation_multi_task.yaml"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert_user_error(done.returncode, done.stderr, "standard output: No space left on device")
