"""Fine-tuning runs, sweeps over seeds and grids, and their statistics."""
