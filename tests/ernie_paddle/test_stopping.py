"""Ctrl-C and SIGTERM end a command with one line, whatever it is doing."""

import importlib
import linecache
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ernie_paddle.stopping import Stopped, postponed_stop, signals_held_back, stop_on_signals

SIGNALS = pytest.mark.parametrize(
    ("number", "code", "name"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 75, "SIGTERM")]
)


@pytest.fixture(autouse=True)
def heeded_ctrl_c() -> Iterator[None]:
    """Shells start background jobs with Ctrl-C ignored, and children inherit this."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@SIGNALS
def test_a_signal_is_raised_and_previous_handlers_are_restored(number: int, code: int, name: str) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Stopped) as stop, stop_on_signals():
        os.kill(os.getpid(), number)
    assert (stop.value.exit_code, stop.value.name) == (code, name)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@SIGNALS
def test_a_postponed_signal_is_recorded_and_a_second_ctrl_c_is_raised(number: int, code: int, name: str) -> None:
    with pytest.raises(Stopped) as stop, stop_on_signals(), postponed_stop() as came:
        assert came() is None
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)
        assert came() == number
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the second Ctrl-C was not raised")
    assert stop.value.number == signal.SIGINT


@SIGNALS
def test_a_postponed_signal_is_raised_at_the_end_of_the_block(number: int, code: int, name: str) -> None:
    done = []
    with pytest.raises(Stopped) as stop, stop_on_signals(), postponed_stop():
        os.kill(os.getpid(), number)
        done.append("the block ends")
    assert done and stop.value.number == number


def test_signals_are_postponed_even_if_one_is_ignored_or_handled_by_a_library() -> None:
    with pytest.raises(Stopped), stop_on_signals():
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            with postponed_stop() as came:
                os.kill(os.getpid(), signal.SIGINT)
                assert came() == signal.SIGINT
        finally:
            signal.signal(signal.SIGTERM, before)


def test_a_signal_that_some_code_swallowed_is_raised_later() -> None:
    with pytest.raises(Stopped), stop_on_signals():
        with suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)
        with postponed_stop() as came:
            assert came() == signal.SIGTERM


def wait_in_vain() -> None:
    for _ in range(200):
        time.sleep(0.05)
    pytest.fail("the signal was lost")


@SIGNALS
def test_a_signal_in_a_callback_that_cannot_raise_is_raised_after_it(
    number: int, code: int, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Dying:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)

    with pytest.raises(Stopped) as stop, stop_on_signals():
        Dying()
        wait_in_vain()
    assert stop.value.number == number and capsys.readouterr().err == ""


@SIGNALS
def test_a_signal_in_an_import_that_swallows_everything_is_raised_after_it(
    number: int, code: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "import os\ntry:\n    os.kill(os.getpid(), {})\nexcept BaseException:\n    pass\nwhole = True\n"
    (tmp_path / f"swallows_{name.replace('-', '_')}.py").write_text(module.format(int(number)))
    monkeypatch.syspath_prepend(tmp_path)
    imported = []
    with pytest.raises(Stopped), stop_on_signals():
        imported.append(importlib.import_module(f"swallows_{name.replace('-', '_')}"))
        wait_in_vain()
    assert imported[0].whole


def test_a_program_that_runs_while_it_is_imported_can_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = """
    import os, signal, time
    from ernie_paddle.stopping import Stopped, stop_on_signals

    stopped = False
    try:
        with stop_on_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
    except Stopped:
        stopped = True
    """
    (tmp_path / "runs_at_import.py").write_text(textwrap.dedent(module))
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("runs_at_import").stopped


@SIGNALS
def test_a_signal_while_an_operator_looks_up_its_source_lines_is_raised_afterwards(
    number: int, code: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paddle's operators look up source lines while a program is built, and may swallow the exception."""
    sent = []

    def check(filename: str | None = None) -> None:
        if not sent:
            sent.append(os.kill(os.getpid(), number))  # type: ignore[func-returns-value]

    monkeypatch.setattr(linecache, "checkcache", check)
    with pytest.raises(Stopped), stop_on_signals():
        with suppress(BaseException):
            traceback.extract_stack()
        wait_in_vain()
    assert sent


@pytest.mark.parametrize("threads", [0, 1])
def test_a_signal_that_is_held_back_is_raised_after_the_block(threads: int) -> None:
    """A signal may arrive in another thread, such as one of numpy's libraries."""
    over, done = threading.Event(), []
    for _ in range(threads):
        threading.Thread(target=over.wait).start()
    with pytest.raises(Stopped), stop_on_signals():
        with signals_held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
            done.append("the block ends")
            over.set()
        wait_in_vain()
    over.set()
    assert done


@SIGNALS
def test_an_error_that_a_library_raises_from_a_signal_is_a_stop(number: int, code: int, name: str) -> None:
    """Paddle's operators do so, since they call Python to look up their source lines."""
    script = f"""
    def run(args, registry):
        try:
            os.kill(os.getpid(), {int(number)})
        except BaseException as stop:
            try:
                raise SystemError("returned a result with an exception set") from stop
            except SystemError as error:
                raise RuntimeError("and another one")
    """
    found = ended(script)
    assert (found.returncode, found.stderr) == (code, f"ernie-paddle c: stopped by {name}; do it again\n")
    found = ended('def run(args, registry): raise RuntimeError("a fault of ours")')
    assert found.returncode == 1 and "RuntimeError: a fault of ours" in found.stderr


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_on_signals():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@SIGNALS
def test_paddle_leaves_the_signals_to_the_command_line(number: int, code: int, name: str, tmp_path: Path) -> None:
    """The signal arrives during the import of Paddle, which installs its handler of SIGTERM."""
    script = """
        import os, sys, threading
        from ernie_paddle import cli, registry

        def run(args, registry):
            os.kill(os.getpid(), int(sys.argv[1])) if sys.argv[2] == "before" else None
            import ernie_paddle.programs
            os.kill(os.getpid(), int(sys.argv[1]))

        command = registry.Command("train", "", "", lambda parser: None, run, "do it again")
        plugins = registry.Registry()
        plugins.commands.add("train", command)
        registry.load_plugins = lambda report: plugins
        cli.main(["train"])
    """
    for moment in ("before", "after"):
        found = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), str(int(number)), moment],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert found.returncode == code, found.stderr
        assert found.stderr.strip() == f"ernie-paddle train: stopped by {name}; do it again"


def ended(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program whose command `c` is its function `run`."""
    program = """
        import os, signal, sys, threading, time
        from ernie_paddle import cli, registry
        {script}
        plugins = registry.Registry()
        plugins.commands.add("c", registry.Command("c", "", "", lambda parser: None, run, "do it again"))
        registry.load_plugins = lambda report: plugins
        sys.argv[1:] = ["c"]
        cli.main()
    """
    text = textwrap.dedent(program).format(script=textwrap.dedent(script))
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)


@SIGNALS
def test_signals_at_the_exit_of_the_process_change_nothing(number: int, code: int, name: str) -> None:
    """They arrive while the interpreter waits for threads, during its exit handlers, and after them."""
    for stops in (True, False):
        script = f"""
        import atexit
        def send():
            os.kill(os.getpid(), {int(number)})
            time.sleep(0.1)
        class Late:
            def __del__(self, kill=os.kill, own=os.getpid()):
                kill(own, {int(number)})
        late = Late()
        def run(args, registry):
            atexit.register(send)
            threading.Thread(target=lambda: (threading.main_thread().join(), time.sleep(0.2))).start()
            {"send()" if stops else ""}
        """
        found = ended(script)
        assert found.returncode == (code if stops else 0), found.stderr
        assert found.stderr == (f"ernie-paddle c: stopped by {name}; do it again\n" if stops else "")
