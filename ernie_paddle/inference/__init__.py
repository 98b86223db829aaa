"""Exported models: writing them and predicting with nothing else."""
