"""The solver compiles also where neither the installation nor the home can be written to."""

from __future__ import annotations

from unittest import mock

import numba

from bayes_alliance.cohorts.solver import kernel


def test_a_cache_that_cannot_be_written_is_done_without() -> None:
    """Numba's refusal to find a place for its cache is no error of a cohort."""
    plain = numba.njit

    def refuse(*arguments: object, **options: object) -> object:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return plain(*arguments, **options)

    with mock.patch.object(kernel.numba, "njit", refuse):
        compiled = kernel._compiled(lambda x: x + 1.0)
    assert compiled(1.0) == 2.0
