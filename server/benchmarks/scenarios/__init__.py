"""The figures of the live benchmark, one module each: what is done, the bars, and how it is drawn."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.harness.trial import Scenario
from benchmarks.scenarios import (
    asking,
    branches,
    cancelling,
    cold,
    faults,
    first,
    growth,
    kills,
    million,
    processes,
    reuse,
    saves,
    typing,
    warm,
)

SCENARIOS: Mapping[str, Scenario] = {
    "typing": typing.SCENARIO,
    "saves": saves.SCENARIO,
    "cold": cold.SCENARIO,
    "asking": asking.SCENARIO,
    "first": first.SCENARIO,
    "cancelling": cancelling.SCENARIO,
    "warm": warm.SCENARIO,
    "branches": branches.SCENARIO,
    "processes": processes.SCENARIO,
    "growth": growth.SCENARIO,
    "kills": kills.SCENARIO,
    "faults": faults.SCENARIO,
    "reuse": reuse.SCENARIO,
    "million": million.SCENARIO,
}
