"""Raw corpora made from texts that two PyPI packages contain, without a download."""
