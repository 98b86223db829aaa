"""Static programs. Importing this package imports Paddle and switches it to static mode.

The CPU backend reads its thread count and kernels from the environment while Paddle is imported, so
they are set here first; values that the caller has set stay.
"""

import contextlib
import io
import os
import warnings

from ernie_paddle.stopping import signals_held_back

os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
os.environ.setdefault("FLAGS_use_mkldnn", "1")
os.environ.setdefault("FLAGS_enable_pir_in_executor_trace_run", "1")  # one order of operators: repeatable dropout
# oneDNN keeps kernels for the last so many shapes; its own 1024 take a gigabyte where lengths vary.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
os.environ.setdefault("GLOG_minloglevel", "2")

with signals_held_back(), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
    warnings.simplefilter("ignore")  # Paddle advises about compilers and thread counts, of no use here
    import paddle

paddle.enable_static()
