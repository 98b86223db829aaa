"""Samples on disk and in batches; imports no Paddle."""
