"""Lines of files, and files that are not UTF-8."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ernie_paddle.errors import UserError
from ernie_paddle.files import (
    atomic_folder,
    atomic_write,
    os_errors_naming,
    read_json,
    read_lines,
    split_lines,
    write_json,
)
from ernie_paddle.locks import locked_folder
from ernie_paddle.stopping import Stopped, stop_on_signals
from ernie_paddle.text.encodings import guess_encoding, text_codec
from ernie_paddle.training.log_file import LOG_FILE, read_log
from tasks.submission.inputs import glue_rows, json_rows
from tasks.submission.layouts import JsonLines

NO_ENDS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"  # at which str.splitlines cuts
TEXTS = {
    "gb18030": "群众对此表示满意，干部也很高兴。去年的产量增加了百分之三。\n",
    "big5": "群眾對此表示滿意，幹部也很高興。去年的產量增加了百分之三。\n",
    "shift_jis": "これは日本語の文章です。経済の発展について述べています。\n",
    "cp1252": "Les élèves étaient très fatigués après la journée passée à l'école.\n",
    "utf-16": "群众对此表示满意 and more.\n",
    "utf-16-le": "群众对此表示满意 and more.\n",
    "utf-16-be": "群众对此表示满意 and more.\n",
}


@pytest.mark.parametrize("inside", [*NO_ENDS, "\r"])
def test_only_line_feeds_end_lines_and_carriage_returns_before_them_belong_to_the_end(
    tmp_path: Path, inside: str
) -> None:
    (tmp_path / "t").write_bytes(f"a{inside}b\r\n\r\nc{inside}d\n{inside}e\r".encode())
    assert read_lines(tmp_path / "t", "text") == [f"a{inside}b", "", f"c{inside}d", f"{inside}e"]


@pytest.mark.parametrize(("text", "lines"), [("", []), ("\n", [""]), ("a", ["a"]), ("a\n\n", ["a", ""])])
def test_an_end_after_the_last_line_begins_no_other(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines


@pytest.mark.parametrize("inside", ["\u2028", "\u2029", "\x85"])
def test_logs_and_test_files_have_a_row_a_line(tmp_path: Path, inside: str) -> None:
    text = "".join(
        f'{{"event": "e", "step": {i}, "id": {i}, "label": "a{inside}b"}}{end}' for i, end in enumerate(("\r\n", "\n"))
    )
    (tmp_path / LOG_FILE).write_text(text, encoding="utf-8", newline="\n")
    assert len(read_log(tmp_path / LOG_FILE)) == len(json_rows(tmp_path / LOG_FILE)) == 2
    assert len(JsonLines().read(text).rows) == 2
    (tmp_path / "test.tsv").write_text(f"index\ts\n0\ta{inside}b\r\n1\ta\rb\n", encoding="utf-8", newline="\n")
    assert [row.id for row in glue_rows(tmp_path / "test.tsv")] == ["0", "1"]


@pytest.mark.parametrize("encoding", TEXTS)
def test_a_text_that_is_not_utf8_is_named_with_its_encoding(tmp_path: Path, encoding: str) -> None:
    raw = (TEXTS[encoding] * 3).encode(encoding)
    assert guess_encoding(raw) == encoding
    assert guess_encoding(raw * 1000) == encoding, "wherever the sample ends"
    (tmp_path / "words.txt").write_bytes(raw)
    with pytest.raises(UserError, match=rf"words\.txt: word list cannot be read: not UTF-8 but, .* {encoding};"):
        read_lines(tmp_path / "words.txt", "word list")


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.json").read_bytes())
    assert read_json(tmp_path / "a.json", "settings") == {"a": 1}


def test_codecs_are_known_by_any_of_their_names_and_no_others() -> None:
    assert text_codec("GBK") == "gbk" and text_codec("latin-1") == "iso8859-1"
    for name in ("gbkk", "base64", "", "rot13"):
        with pytest.raises(ValueError, match=f"unknown encoding '{name}'"):
            text_codec(name)


def test_json_holds_null_where_a_number_is_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"loss": float("nan"), "scores": [1.5, float("inf"), (2, -float("inf"))]})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {"loss": None, "scores": [1.5, None, [2, None]]}


@pytest.mark.parametrize(
    ("named", "said"),
    [(None, "out/table.tsv"), ("out/.table.tsv.partial/x", "out/table.tsv"), ("in/corpus.txt", "in/corpus.txt")],
)
def test_an_error_names_the_output_unless_it_is_another_file_s(named: str | None, said: str) -> None:
    beside = Path("out/.table.tsv.partial")
    with pytest.raises(OSError, match="No space") as failed, os_errors_naming("out/table.tsv", beside):
        raise OSError(errno.ENOSPC, "No space left on device", named)
    assert failed.value.filename == said and failed.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="corpus") as failed, os_errors_naming("out/table.tsv"):
        raise OSError(errno.EIO, "Input/output error", "in/corpus.txt")
    with pytest.raises(OSError, match="gzip") as failed, os_errors_naming("out/table.tsv"):
        raise OSError("not a gzip file")
    assert failed.value.filename is None


@pytest.fixture
def to_disk(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, int]]:
    """Record every fsync and rename in order: "sync" or "name", the path, and the size in bytes."""
    events: list[tuple[str, Path, int]] = []
    sync, replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        events.append(("sync", path, os.fstat(descriptor).st_size if path.is_file() else 0))

    def named(source: Path, target: Path) -> None:
        replace(source, target)
        events.append(("name", Path(target), target.stat().st_size if target.is_file() else 0))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", named)
    return events


def test_a_file_s_bytes_are_on_disk_before_its_name_and_its_name_before_the_writer_goes_on(
    tmp_path: Path, to_disk: list[tuple[str, Path, int]]
) -> None:
    path = tmp_path / "deep" / "table.tsv"
    with atomic_write(path) as file:
        file.write("a" * 100)
    (_, beside, size), *after = to_disk
    assert beside.parent == path.parent and beside != path and size == 100
    assert after == [("name", path, 100), ("sync", path.parent, 0)]


@pytest.mark.parametrize("there", [False, True], ids=["new", "in the place of another"])
def test_all_of_a_folder_is_on_disk_before_its_name_and_its_name_before_the_writer_goes_on(
    there: bool, tmp_path: Path, to_disk: list[tuple[str, Path, int]]
) -> None:
    out = tmp_path / "export"
    if there:
        out.mkdir()
    with atomic_folder(out) as beside:
        (beside / "inner").mkdir()
        (beside / "weights").write_bytes(b"12345")
        (beside / "inner" / "vocabulary").write_bytes(b"12")
    named = to_disk.index(("name", out, 0))
    before = {("sync", beside / "weights", 5), ("sync", beside / "inner" / "vocabulary", 2)}
    before |= {("sync", beside / "inner", 0), ("sync", beside, 0)}
    assert set(to_disk[: named - there]) == before, "the old folder gives its name away when all is there"
    assert to_disk[named + 1 :] == [("sync", tmp_path, 0)]
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


@pytest.mark.parametrize("moment", ["before the old one goes", "between the two"])
def test_a_signal_leaves_either_the_old_folder_or_the_new_one(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "export"
    out.mkdir()
    (out / "old").touch()
    for module, name in ((shutil, "rmtree"), (os, "replace")):
        function = getattr(module, name)

        def interrupted(*arguments: Any, function: Callable[..., Any] = function, **options: Any) -> None:
            if moment.startswith("before"):
                os.kill(os.getpid(), signal.SIGTERM)
            function(*arguments, **options)
            if moment.startswith("between"):
                os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(module, name, interrupted)
    with pytest.raises(Stopped), stop_on_signals(), atomic_folder(out) as partial:
        (partial / "new").touch()
    monkeypatch.undo()
    assert [path.name for path in out.iterdir()] in (["old"], ["new"])
    with locked_folder(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_what_dead_processes_left_goes_and_what_living_ones_write_stays(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from ernie_paddle.files import atomic_folder, atomic_write\n"
        "with atomic_folder(Path('out')) as partial, atomic_write(Path('table.tsv')):\n"
        "    (partial / 'half').touch(); print('there', flush=True); input(); os.kill(os.getpid(), 9)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "there\n"
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2 and all(name.endswith(f".{process.pid}.partial") for name in left)
    for dead in (False, True):
        with atomic_folder(tmp_path / "out") as partial:
            (partial / "whole").touch()
        with atomic_write(tmp_path / "table.tsv") as file:
            file.write("a\n")
        partial = sorted(path.name for path in tmp_path.iterdir() if path.name.endswith(".partial"))
        assert partial == ([] if dead else left)
        if not dead:
            process.communicate("\n")
