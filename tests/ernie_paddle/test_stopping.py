"""Ctrl-C and SIGTERM end a command in one line, wherever it stands."""

import os
import signal
import subprocess
import sys
import textwrap
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
    """Shells start what runs in the background with Ctrl-C ignored, which children inherit."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@SIGNALS
def test_a_signal_is_raised_and_the_handlers_before_come_back(number: int, code: int, name: str) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Stopped) as stop, stop_on_signals():
        os.kill(os.getpid(), number)
    assert (stop.value.exit_code, stop.value.name) == (code, name)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


@SIGNALS
def test_a_postponed_signal_is_noted_and_a_second_ctrl_c_is_raised(number: int, code: int, name: str) -> None:
    with stop_on_signals(), postponed_stop() as came:
        assert came() is None
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)
        assert came() == number
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_some_code_swallowed_is_known_later() -> None:
    with stop_on_signals():
        with suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)
        with postponed_stop() as came:
            assert came() == signal.SIGTERM


def test_a_signal_held_back_comes_after_the_block() -> None:
    done = []
    with pytest.raises(Stopped), stop_on_signals(), signals_held_back():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("the block ends")
    assert done


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_on_signals():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@SIGNALS
def test_paddle_leaves_the_signals_to_the_command_line(number: int, code: int, name: str, tmp_path: Path) -> None:
    """The signal comes while Paddle is imported, which replaces the handler of SIGTERM by its own."""
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
        registry.load_plugins = lambda: plugins
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
