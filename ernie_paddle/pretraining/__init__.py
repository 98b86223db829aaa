"""Pre-training runs: stage plans, settings, requirements, reports."""
