"""The trainer, its steps and checkpoints, and the log of a run."""
