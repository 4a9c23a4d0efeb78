"""``conexus clean``: removes indexes that nobody needs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conexus.cli.arguments import count
from conexus.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from conexus.cli.arguments import Commands

_MOST = 2**31 - 1
#: The defaults of `maxDataMib` and `indexAgeDays`. The module of the settings takes too long to import for `--help`.
MAX_DATA_MIB, INDEX_AGE_DAYS = 51_200, 90


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "clean",
        help="remove indexes of folders that are gone, and old ones",
        description="Remove the indexes of folders that are gone, those that were not used for long, and then those"
        " that were not used for longest until all together are small enough. An index that another process writes"
        " stays.",
        allow_abbrev=False,
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    parser.add_argument(
        "--max-data-mib",
        type=count(0, _MOST),
        default=MAX_DATA_MIB,
        metavar="N",
        help=f"the size that all indexes together may have, in MiB (default: {MAX_DATA_MIB})",
    )
    parser.add_argument(
        "--index-age-days",
        type=count(0, _MOST),
        default=INDEX_AGE_DAYS,
        metavar="N",
        help=f"remove an index that was not used for N days (default: {INDEX_AGE_DAYS})",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from conexus.cli.audit import kept
    from conexus.cli.status_text import counted, size
    from conexus.cli.terminal import say
    from conexus.upkeep import clean

    dry = arguments.dry_run
    with kept(arguments.command):
        done = clean(most_mib=arguments.max_data_mib, age_days=arguments.index_age_days, dry_run=dry)
    for each in done.removed:
        say(f"{'would remove' if dry else 'removed'} {each.folder} ({size(each.size)}): {each.reason}")
    freed = size(sum(each.size for each in done.removed))
    indexes = counted(len(done.removed), "index", "indexes")
    left = f"{counted(done.left, 'index', 'indexes')} left, {size(done.left_bytes)}"
    say(f"{indexes} {'to remove' if dry else 'removed'}, {freed}; {left}")
    return ExitCode.OK
