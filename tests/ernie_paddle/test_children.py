"""Child processes leave signals to their parent."""

import multiprocessing
import os
import signal
import threading
import time

import pytest
from worker_functions import dying, failing, signals_held_back, squared

from ernie_paddle.children import call_in_new_process
from ernie_paddle.errors import UserError
from ernie_paddle.stopping import EXIT_CODES, Stopped, stop_on_signals


def test_a_call_in_a_fresh_process_ends_as_any_other() -> None:
    assert call_in_new_process(squared, 7) == 49
    with pytest.raises(UserError, match="item 5 is no good"):
        call_in_new_process(failing, 5)
    with pytest.raises(RuntimeError, match="died with exit code 1"):
        call_in_new_process(dying, 3)


def test_signals_that_reach_the_whole_group_do_nothing_there() -> None:
    assert call_in_new_process(signals_held_back, 0) >= {int(number) for number in EXIT_CODES}


@pytest.mark.parametrize("number", EXIT_CODES)
def test_a_signal_ends_the_wait_for_it_and_the_process(number: int) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
    began = time.monotonic()
    try:
        with pytest.raises(Stopped), stop_on_signals():
            call_in_new_process(time.sleep, 60)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 30
    assert not multiprocessing.active_children()
