"""The program ``conexus``, also as ``python -P -m conexus``.

Without ``-P``, Python itself imports modules from the working directory before this file runs.
"""

from conexus.isolation import isolate


def main() -> int:
    """Run one command and return its exit status; see ``cli.main``."""
    isolate()
    # Not sooner: what this imports could come from the working directory.
    from conexus.cli.main import main as run

    return run()


if __name__ == "__main__":
    import sys

    sys.exit(main())
