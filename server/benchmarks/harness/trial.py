"""A scenario of the live benchmark, and a figure that is being taken of one workspace."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.client import Message, Ready, Server, session
from benchmarks.harness.compare import comparison_rows, defects_of, differences
from benchmarks.harness.figure import Figure, Row
from benchmarks.harness.job import Job
from benchmarks.harness.samples import phrases, words_of_one_file
from benchmarks.harness.table import percentile

_PHRASES = 30
_FRESH = "a fresh index"

#: Draws what was measured, on axes of matplotlib.
Panel = Callable[[Any, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """A figure that is being taken of one workspace."""

    job: Job
    #: The name of the workspace in the table.
    size: str
    #: A copy of the workspace, which may be changed.
    folder: Path
    figure: Figure
    dice: random.Random
    #: What comparisons found, by what the index was compared with.
    comparisons: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @contextmanager
    def session(
        self,
        ready: Ready = "initialized",
        *,
        folder: Path | None = None,
        data: Path | None = None,
        options: Message | None = None,
        log: Path | None = None,
    ) -> Iterator[Server]:
        """``client.session`` on the workspace or another folder, with an empty data directory if none is given."""
        with ExitStack() as stack:
            data = data or stack.enter_context(self.job.folder("data"))
            server = session(folder or self.folder, data, ready, options=options, log=log)
            yield stack.enter_context(server)

    def row(self, name: str, value: float, unit: str = "", most: float | None = None, **bar: float | None) -> None:
        """Add a row to the table: ``most``, ``least``, ``most_ratio`` and ``peer`` as in ``Row``."""
        self.figure.rows.append(Row(name, self.size, value, unit, most, **bar))

    def percentile(
        self, name: str, values: Sequence[float], percent: float, unit: str = "ms", *, peer: Sequence[float] = ()
    ) -> None:
        """Add a row for one percentile, beside the peer's; none if there are no values."""
        if values:
            self.row(name, percentile(values, percent), unit, peer=percentile(peer, percent) if peer else None)

    def spread(
        self,
        name: str,
        values: Sequence[float],
        unit: str = "ms",
        *,
        at: Sequence[int] = (50, 95),
        most: Mapping[int, float] | None = None,
    ) -> None:
        """Add a row for each of some percentiles, 100 being the longest; none if there are no values.

        ``most`` has bars by percentile.
        """
        for percent in at if values else ():
            which = "longest" if percent == 100 else f"p{percent}"
            self.row(f"{name}, {which}", percentile(values, percent), unit, (most or {}).get(percent))

    def measured(self, **values: Any) -> None:
        """Keep measurements for the JSON."""
        self.figure.measured |= values

    def defect(self, text: str) -> None:
        """Say what should not have happened."""
        self.figure.defects.append(text)

    def compare(self, server: Server, when: str, *, words: int = 100) -> None:
        """Compare an index with that of a server with an empty data directory on the same folder.

        ``questions`` are asked. The rows of all comparisons come last in the table.
        """
        asked = self.questions(words)
        with self.session("indexed", folder=server.folder) as fresh:
            self.differ(server, fresh, when, *asked)

    def questions(self, words: int) -> tuple[list[str], dict[str, str]]:
        """The job's queries with phrases of the files, and ``words`` with the one file that each stands in."""
        queries = [*self.job.queries, *phrases(self.folder, _PHRASES, self.dice)]
        return queries, words_of_one_file(self.folder, words, self.dice)

    def differ(
        self,
        server: Server,
        other: Server,
        when: str,
        queries: Sequence[str],
        words: Mapping[str, str],
        *,
        name: str = _FRESH,
    ) -> None:
        """Compare two servers that run; ``name`` is that of the other one in the report."""
        found = differences(server, other, queries, words)
        self.comparisons.setdefault(name, []).append(found)
        self.figure.defects += defects_of(found, when, other=name)


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a figure is taken, of which workspaces, and how it is drawn."""

    measure: Callable[[Trial], None]
    #: The first of these sizes that is given, else any; without sizes: each workspace.
    sizes: tuple[str, ...] = ()
    panels: tuple[Panel, ...] = ()
    #: As in ``Job.copy``.
    project: bool = True

    def take(self, job: Job) -> Figure:
        """Measure in a copy of each workspace that the figure is of. Raises NotHere, and whatever goes wrong."""
        figure = Figure()
        for size in self.sizes_of(job):
            with job.copy(size, project=self.project) as folder:
                dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
                trial = Trial(job, size, folder, figure, dice)
                self.measure(trial)
            for name, found in trial.comparisons.items():
                figure.rows += comparison_rows(size, *found, other=name)
                figure.measured.setdefault("comparisons", {})[name] = found
        return figure

    def sizes_of(self, job: Job) -> list[str]:
        """The sizes of the workspaces to measure."""
        given = [*job.workspaces]
        return [size for size in (*self.sizes, *given) if size in given][:1] if self.sizes else given
