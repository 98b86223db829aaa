"""Static programs. Importing this package imports Paddle and switches it to static mode.

Paddle's CPU backend reads its thread count and its choice of kernels from the environment during the import. They are
set here first, unless the caller has set them.
"""

import contextlib
import io
import os
import warnings

from ernie_paddle.stopping import signals_held_back

os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
os.environ.setdefault("FLAGS_enable_pir_in_executor_trace_run", "1")  # a fixed order of operators: repeatable dropout
# oneDNN caches one kernel per operator and shape. Its default of 1024 takes a gigabyte if lengths vary.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
os.environ.setdefault("GLOG_minloglevel", "2")

with signals_held_back(), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
    warnings.simplefilter("ignore")  # Paddle's advice about compilers and thread counts does not apply here
    import paddle

paddle.enable_static()
