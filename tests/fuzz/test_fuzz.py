"""A short run over every target, and every input on which one failed before. `make fuzz` is the long run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

#: Inputs that failed once, in a folder for each target.
FOUND = Path(__file__).parent / "found"

_PIECE = st.binary(max_size=8) | st.sampled_from(
    [b"\0", b"\xff", b"\n", b"..", b"/", b"\\", b"'", b'"', b"{", b"[", b"(", b"*", b"-1", b"1e308", b"\xed\xa0\x80"]
)


@st.composite
def inputs(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    data = draw(st.sampled_from(seeds) | st.binary(max_size=200))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        data = data[:start] + draw(_PIECE) * draw(st.sampled_from([1, 1, 1, 50])) + data[end:]
    return data


@pytest.fixture
def seeds(name: str) -> Sequence[bytes]:
    return TARGETS[name].seeds()


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_bytes_are_read_or_refused(name: str, seeds: Sequence[bytes], data: st.DataObject) -> None:
    TARGETS[name].run(data.draw(inputs(seeds)))


@pytest.mark.parametrize("name", TARGETS)
def test_the_inputs_of_the_right_form_are_read(name: str, seeds: Sequence[bytes]) -> None:
    assert seeds
    for seed in (b"", *seeds):
        TARGETS[name].run(seed)


@pytest.mark.parametrize("path", sorted(FOUND.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_failed_once_holds(path: Path) -> None:
    TARGETS[path.parent.name.replace("-", " ")].run(path.read_bytes())
