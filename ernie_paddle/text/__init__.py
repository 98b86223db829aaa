"""Vocabulary and tokenisation."""
