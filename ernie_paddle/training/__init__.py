"""Plans, the trainer, checkpoints and what is seen of a run."""
