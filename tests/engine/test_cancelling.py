"""A cancelled question stops at the next stage, wherever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conexus.values import Answer, Cancelled, CancelToken, Place, Position, TextRange
from tests.workspaces import OneClient as Engine
from tests.workspaces import running, write

FILES = {
    f"module_{n}.py": f"def read_settings_{n}(path):\n    return parse_config_{n}(path)\n\n\n"
    f"def parse_config_{n}(text):\n    return read_settings_{(n + 1) % 12}(text)\n"
    for n in range(12)
}


@dataclass(slots=True)
class Counting(CancelToken):
    """Is cancelled when it is looked at for the ``last`` time."""

    last: int = -1
    looks: int = 0

    def check(self) -> None:
        self.looks += 1
        if self.looks == self.last:
            self.cancel()
        CancelToken.check(self)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("work")
    write(folder, FILES)
    with running(folder, tmp_path_factory.mktemp("data")) as started:
        yield started


def place(engine: Engine) -> Place:
    folder = next(iter(engine._folders))
    return Place(str(Path(folder, "module_0.py")), TextRange(Position(0, 0), Position(2, 0)))


QUESTIONS: dict[str, Callable[[Engine, CancelToken], Answer]] = {
    "search": lambda engine, token: engine.search("read the settings", cancel=token),
    "symbols": lambda engine, token: engine.symbols("read_settings", cancel=token),
    "related": lambda engine, token: engine.related(place(engine), cancel=token),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_it_stops_wherever_it_is(engine: Engine, question: str) -> None:
    ask, whole = QUESTIONS[question], Counting()
    hits = ask(engine, whole).hits
    assert len(hits) > 3
    # Each hit is a stage: they read files.
    assert whole.looks >= len(hits) + 4
    for last in range(1, whole.looks + 1):
        token = Counting(last=last)
        with pytest.raises(Cancelled):
            ask(engine, token)
        assert token.looks == last


@pytest.mark.parametrize("question", QUESTIONS)
def test_one_that_was_cancelled_before_does_nothing(engine: Engine, question: str) -> None:
    token = CancelToken()
    token.cancel()
    asked_at = engine.engine.indexer.requests.asked_at
    with pytest.raises(Cancelled):
        QUESTIONS[question](engine, token)
    assert engine.engine.indexer.requests.asked_at == asked_at
