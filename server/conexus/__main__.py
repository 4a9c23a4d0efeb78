"""``python -m conexus`` is the command ``conexus``."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # `-m` puts the current directory first, which is the user's workspace: its modules are not ours to run.
        sys.path.pop(0)
    from conexus.cli.main import main

    sys.exit(main())
