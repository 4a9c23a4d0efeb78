"""Values that are derived once."""

from __future__ import annotations

from conexus.segments.memo import Memo


def test_a_value_is_derived_once_for_each_key() -> None:
    memo = Memo(10)
    derived: list[str] = []
    for key in ("a", "b", "a", "b"):
        assert memo.get(key, lambda key=key: derived.append(key) or key.upper()) == key.upper()  # type: ignore[misc]
    assert derived == ["a", "b"]


def test_a_full_memo_forgets() -> None:
    memo = Memo(2)
    for number in range(5):
        assert memo.get(number, lambda number=number: str(number)) == str(number)  # type: ignore[misc]
    # 4 is the only value that was kept since the memo was full.
    assert [memo.get(number, lambda: "derived") for number in (4, 3)] == ["4", "derived"]
