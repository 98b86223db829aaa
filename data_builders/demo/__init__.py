"""Raw corpora made from text that two PyPI packages carry; nothing is downloaded."""
