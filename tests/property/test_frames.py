"""Messages are found in the stream however it is cut, and whatever stray lines stand before them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus.lsp.frames import FrameError, FrameReader, Skipped, frame

bodies = st.binary(max_size=40)
stray_lines = st.sampled_from([b"", b"hello\r\n", b"\r\n", b"X-Header: 1\r\n", b"content-length: no\r\n"])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.tuples(stray_lines, bodies)), st.lists(st.integers(0, 10_000)))
def test_frames_survive_any_cut(messages: list[tuple[bytes, bytes]], places: list[int]) -> None:
    stream = b"".join(stray + frame(body) for stray, body in messages)
    reader = FrameReader()
    found = [body for piece in cut(stream, places) for body in reader.feed(piece)]
    assert found == [body for _, body in messages]


@given(st.lists(st.tuples(stray_lines, bodies)), st.lists(st.integers(0, 10_000)), st.integers(0, 40))
def test_a_body_that_is_too_long_is_skipped_and_the_next_one_is_found(
    messages: list[tuple[bytes, bytes]], places: list[int], most: int
) -> None:
    stream = b"".join(stray + frame(body) for stray, body in messages)
    reader = FrameReader(most)
    found = [body for piece in cut(stream, places) for body in reader.feed(piece)]
    assert found == [body if len(body) <= most else Skipped(len(body), body) for _, body in messages]


@given(st.binary(max_size=300))
def test_garbage_never_raises_anything_else(data: bytes) -> None:
    reader = FrameReader()
    try:
        for body in reader.feed(data):
            assert isinstance(body, bytearray)
    except FrameError:
        pass


@pytest.mark.parametrize(
    "stream", [b"x" * 100_000, b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", b"Content-Length: 99999999999\r\n\r\n"]
)
def test_what_would_take_all_memory_is_refused(stream: bytes) -> None:
    with pytest.raises(FrameError):
        list(FrameReader().feed(stream))
