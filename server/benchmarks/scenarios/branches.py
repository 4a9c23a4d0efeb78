"""Switching branches of a real git repository under a running server, untold."""

from __future__ import annotations

import time

from benchmarks.harness.branches import BRANCHES, checkout, converge, make_branches
from benchmarks.harness.trial import Scenario, Trial

_PAUSE_SECONDS = 0.6
_TIMED_SWITCHES = 4


def measure(trial: Trial) -> None:
    dice, folder, count = trial.dice, trial.folder, trial.job.numbers.switches
    probes = make_branches(folder, dice)
    with trial.session("indexed") as server:
        switches = []
        for number in range(_TIMED_SWITCHES):
            branch = BRANCHES[(number + 1) % 2]
            git_seconds = checkout(folder, branch)
            switches.append({"git": git_seconds, **converge(server, probes, branch, dice)})
        for _ in range(count):
            branch = dice.choice(BRANCHES)
            checkout(folder, branch)
            time.sleep(dice.random() * _PAUSE_SECONDS)
        after = converge(server, probes, branch, dice) if count else switches[-1]
        trial.compare(server, f"after {count} switches")
    git, searchable, quiescent = ([each[key] for each in switches] for key in ("git", "searchable", "quiescent"))
    trial.row("files that differ", len({probe.file for probe in probes}))
    trial.spread("`git checkout` itself", git, "s", at=(50,))
    trial.spread("checkout to every watched file right", searchable, "s", at=(50, 100))
    trial.spread("checkout to quiescent", quiescent, "s", at=(100,))
    trial.row("wrong files after timed switches", sum(each["wrong"] for each in switches), most=0.0)
    trial.row(f"wrong files after {count} switches in a row", after["wrong"], most=0.0)
    trial.measured(switches=switches, afterLoop=after)


SCENARIO = Scenario(measure, ("large", "mid", "small"))
