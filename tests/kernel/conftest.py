"""What the laws of the kernel are tried under."""

from decimal import ROUND_CEILING, Clamped, Context, Inexact, Rounded

import pytest
from hypothesis import settings

# These tests are about laws, not about speed: a shared machine may be slow.
settings.register_profile("laws", deadline=None)
settings.load_profile("laws")


@pytest.fixture(scope="session")
def hostile() -> Context:
    """Narrow, biased and touchy: whoever leans on the ambient context is found out."""
    return Context(
        prec=1, rounding=ROUND_CEILING, Emin=-1, Emax=1, clamp=1, traps=[Inexact, Rounded, Clamped]
    )
