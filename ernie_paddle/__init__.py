"""The engine of ernie-paddle: samples, static programs, stage plans, checkpoints and exports.

It knows no task and no corpus by name: both come in through `ernie_paddle.registry`.
"""

__version__ = "0.1.0"
