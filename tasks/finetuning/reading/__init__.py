"""Reading the benchmarks' own files: one module a file format, what distinguishes data sets is settings."""
