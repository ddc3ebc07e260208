import pytest


@pytest.fixture(autouse=True)
def alone(one_thread):
    """Results do not depend on threads; small tests are quicker without them."""
