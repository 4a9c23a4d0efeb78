"""Requests in flight are counted, whatever comes of them."""

from __future__ import annotations

import pytest

from conexus.indexing.request_gate import RequestGate


def test_requests_are_in_flight_until_the_last_one_is_answered() -> None:
    gate = RequestGate()
    assert not gate.is_answering
    with gate.answering():
        first = gate.asked_at
        with gate.answering():
            assert gate.asked_at >= first > 0
        assert gate.is_answering
    assert not gate.is_answering


def test_a_request_that_failed_is_answered_too() -> None:
    gate = RequestGate()
    with pytest.raises(ValueError, match="no such"), gate.answering():
        raise ValueError("no such")
    assert not gate.is_answering
