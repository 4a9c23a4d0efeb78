"""``python -m conexus`` is the command ``conexus``."""

from __future__ import annotations

import sys

from conexus.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
