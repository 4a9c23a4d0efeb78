"""What holds for all tests."""

from __future__ import annotations

import os

os.environ["CONEXUS_CHECK_OWNERS"] = "1"  # before conexus is imported: see conexus/owned.py

from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock

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
    """The folder of the small real models of tests/models.py, made once for all processes that run tests."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    models, done = shared / "models", shared / "models.done"
    with FileLock(shared / "models.lock"):
        if not done.exists():
            models.mkdir(exist_ok=True)
            build(models)
            done.touch()
    return models
