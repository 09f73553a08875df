"""What equals what to the bit: the same training on any number of threads, and within a memory limit."""

import numpy as np
import pytest
from tests.engine.options import WAYS, Way, run

from backlit.core import ACTIVATIONS
from backlit.engine.native import extension

ISAS = extension().instruction_sets() if extension() else ["none"]
THREADS = (2, 3, 4, 7)


def available(way: Way) -> bool:
    """Whether this processor has what the way asks for."""
    return way.isa is None or way.isa in ISAS


@pytest.mark.parametrize("name", WAYS)
def test_any_number_of_threads(name):
    way = WAYS[name]
    if not available(way):
        pytest.skip(f"this processor has no {way.isa}")
    alone = run(way)
    for threads in THREADS:
        together = run(way, threads)
        assert [what for what in alone if alone[what] != together[what]] == [], threads


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "softmax"])
def test_a_number_has_the_same_bits_wherever_it_stands_in_a_vector(name, dtype, isa, rng):
    """The last few numbers of a share go through another copy of the loop."""
    activate = getattr(extension(), "activate_32" if dtype == np.float32 else "activate_64")
    u = (5 * rng.standard_normal(259)).astype(dtype)
    whole = [np.empty_like(u) for _ in range(2)]
    activate(isa, name, dict(ACTIVATIONS[name].parameters), u, *whole)
    for size in (1, 2, 3, 5, 7):
        for first in range(0, 252, size):
            part = [np.empty(size, dtype) for _ in range(2)]
            activate(isa, name, dict(ACTIVATIONS[name].parameters), u[first : first + size], *part)
            assert all((a == b[first : first + size]).all() for a, b in zip(part, whole, strict=True))
