"""Kinds of fine-tuning, one file each."""
