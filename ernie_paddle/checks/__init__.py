"""Checks of this machine's devices, which `ernie-paddle check` runs: a module for each group of them."""
