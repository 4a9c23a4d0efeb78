"""Words and their numbers, while another thread forgets what was remembered."""

from __future__ import annotations

from dataclasses import replace

from conexus.segments.lexicon import Lexicon


class Forgetful(dict[str, int]):
    """What another thread makes of a memory that it clears at every moment."""

    def update(self, *_: object, **__: object) -> None:
        """Remember nothing."""


def test_a_word_is_found_though_another_thread_forgets_all_that_was_remembered() -> None:
    lexicon, numbers = Lexicon.from_words(["alpha", "beta", "gamma"])
    forgetful = replace(lexicon, _cached=Forgetful())
    assert [forgetful.number(word) for word in ("alpha", "beta", "gamma", "delta")] == [*numbers.values(), -1]
    assert Lexicon.known_words((forgetful,), ("gamma", "delta")) == {"gamma"}
    assert forgetful.numbers([("beta", 2.0), ("delta", 1.0)]) == ((numbers["beta"], 2.0),)
