"""Feeds that are copied ahead, by a thread that ends with them."""

import gc
import subprocess
import sys
import threading

import numpy as np
import paddle

from ernie_paddle.data.feeds import Feed
from ernie_paddle.programs.device_feeds import DeviceFeeds

FEED = Feed("array", (-1,), "int32")


def test_arrays_are_taken_in_the_order_of_putting() -> None:
    feeds = DeviceFeeds([FEED], paddle.CPUPlace())
    staged = [feeds.put({"array": np.full(4 + i, i, np.int32)}) for i in range(20)]
    for i, feed in enumerate(staged):
        assert np.array(feed.take()["array"]).tolist() == [i] * (4 + i)


def test_the_reading_thread_ends_with_the_feeds() -> None:
    before = set(threading.enumerate())
    feeds = DeviceFeeds([FEED], paddle.CPUPlace())
    feeds.put({"array": np.ones(3, np.int32)}).take()
    (reading,) = set(threading.enumerate()) - before
    del feeds
    gc.collect()
    reading.join(timeout=20)
    assert not reading.is_alive()


def test_a_process_that_has_fed_ahead_ends() -> None:
    """Also if a library has used `weakref.finalize` before, whose functions are called at exit."""
    code = (
        "import weakref, numpy as np, paddle\n"
        "class Thing: pass\n"
        "thing = Thing(); weakref.finalize(thing, print, 'finalized')\n"
        "from ernie_paddle.data.feeds import Feed\n"
        "from ernie_paddle.programs.device_feeds import DeviceFeeds\n"
        "feeds = DeviceFeeds([Feed('array', (-1,), 'int32')], paddle.CPUPlace())\n"
        "feeds.put({'array': np.ones(3, np.int32)}).take()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "finalized" in done.stdout
