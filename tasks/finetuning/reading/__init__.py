"""Readers of the benchmarks' files: one module per file format. Settings cover the differences between data sets."""
