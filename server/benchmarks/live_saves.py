"""Save to searchable and delete to gone, told by the client or seen by the server's own watcher."""

from __future__ import annotations

import random

from benchmarks import edits
from benchmarks.live_job import Figure, Job, Row, session
from benchmarks.table import percentile


def measure(job: Job) -> Figure:
    dice = random.Random(job.numbers.seed)  # noqa: S311  repeatable, not secret
    size = job.size("mid", "small")
    figure = Figure()
    with job.copy(size) as folder, job.folder("data") as data, session(folder, data) as server:
        server.initialize()
        server.wait_until_indexed()
        files = edits.editable_files(folder, 10, dice)
        for told in (True, False):
            by = "told" if told else "own watcher"
            saved = edits.save_ms(server, files, job.numbers.edits, dice, told=told)
            deleted = edits.delete_ms(server, files, job.numbers.edits, dice, told=told)
            for name, values, most in (("save to searchable", saved, 500.0), ("delete to gone", deleted, 1000.0)):
                for percent in (50, 95):
                    bar = most if percent == 95 else None
                    row = Row(f"{name}, {by}, p{percent}", size, percentile(values, percent), "ms", bar)
                    figure.rows.append(row)
            figure.measured |= {f"save {by}": saved, f"delete {by}": deleted}
        server.stop()
    return figure
