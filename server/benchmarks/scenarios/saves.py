"""Save to searchable and delete to gone, told by the client or seen by the server's own watcher."""

from __future__ import annotations

from typing import Any

from benchmarks.harness import edits, plot
from benchmarks.harness.trial import Scenario, Trial

_SAVE_MS, _DELETE_MS = 500.0, 1000.0


def measure(trial: Trial) -> None:
    count, dice = trial.job.numbers.edits, trial.dice
    with trial.session("indexed") as server:
        files = edits.editable_files(trial.folder, 10, dice)
        for told, by in ((True, "told"), (False, "own watcher")):
            saved = edits.save_ms(server, files, count, dice, told=told)
            deleted = edits.delete_ms(server, files, count, dice, told=told)
            trial.spread(f"save to searchable, {by}", saved, most={95: _SAVE_MS})
            trial.spread(f"delete to gone, {by}", deleted, most={95: _DELETE_MS})
            trial.measured(**{f"save {by}": saved, f"delete {by}": deleted})


def _panel(axes: Any, measured: dict[str, Any]) -> None:
    plot.distribution(axes, measured, _SAVE_MS, "save to searchable and delete to gone, ms")


SCENARIO = Scenario(measure, ("mid", "small"), (_panel,))
