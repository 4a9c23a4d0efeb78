"""Prints the answers of ``conexus search`` and ``conexus related``."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from conexus.cli.hits import hit_lines
from conexus.cli.json_output import answer_value, dump
from conexus.cli.output import warn
from conexus.cli.paint import wants_colour
from conexus.values import Answer


def print_answer(answer: Answer, folder: Path, *, as_json: bool, preview: int, output: TextIO) -> None:
    """Prints an answer. ``folder`` is the searched folder as the user named it.

    ``preview`` is the number of lines to show of each hit.
    """
    if as_json:
        output.write(dump(answer_value(answer)))
        return
    if answer.index.degraded:
        warn(answer.index.degraded)
    colour = wants_colour(output)
    for number, hit in enumerate(answer.hits):
        if number and preview:
            output.write("\n")
        output.writelines(f"{line}\n" for line in hit_lines(hit, folder, preview=preview, colour=colour))
