"""What a figure was taken with, machine, Python and release, and the file that keeps it."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import conexus


def machine() -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "conexus": conexus.__version__,
        "load": os.getloadavg(),
    }


def write_report(out: Path | None, report: Mapping[str, Any]) -> None:
    """Write measurements with the machine as JSON, if a file is given."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"machine": machine(), **report}, indent=1) + "\n", encoding="utf-8")
