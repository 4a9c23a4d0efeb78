"""What a figure was taken with: machine, Python and release."""

from __future__ import annotations

import os
import platform
import time
from typing import Any

import conexus


def machine() -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "conexus": conexus.__version__,
    }
