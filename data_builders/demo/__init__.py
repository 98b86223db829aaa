"""Raw corpora made from texts that packages contain: two of PyPI that are installed, and manuals of Debian."""
