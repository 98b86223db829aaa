"""The backends that programs are built for."""

import pytest
from programs_support import BACKENDS, MakeBackend


@pytest.fixture(params=BACKENDS, ids=lambda make: make.__name__)
def make_backend(request: pytest.FixtureRequest) -> MakeBackend:
    """Return a function that makes a backend: that of CPUs, and those of GPUs with each kind of attention."""
    return request.param
