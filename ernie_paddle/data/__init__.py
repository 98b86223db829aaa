"""Samples on disk and in batches. Imports no Paddle."""
