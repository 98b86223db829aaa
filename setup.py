"""Install with `pip install -e '.[cpu]' -c constraints.txt`; all that there is to say stands in pyproject.toml."""

from setuptools import setup

setup()
