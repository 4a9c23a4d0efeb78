"""What holds for all tests."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.models import build

_WITHOUT_TORCH = "needs sentence-transformers: pip install '.[transformers]' (.ci/run does)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``torch`` are skipped, and said to be, where sentence-transformers is not installed."""
    if find_spec("sentence_transformers") is not None:
        return
    for item in items:
        if item.get_closest_marker("torch") is not None:
            item.add_marker(pytest.mark.skip(reason=_WITHOUT_TORCH))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small real models of tests/models.py."""
    return build(tmp_path_factory.mktemp("models"))
