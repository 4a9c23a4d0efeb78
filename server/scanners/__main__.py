"""Runs all scanners and prints a summary. The exit status is 1 if one fails; with ``--strict``, if one cannot work."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from scanners.code import check_suppressions, run_bandit, run_ruff
from scanners.components import write_extension, write_python
from scanners.leaks import scan_secrets
from scanners.licences import check_licences
from scanners.lock import check_lock
from scanners.outcome import Broken, NotChecked, Outcome, State
from scanners.vulnerabilities import audit_extension, audit_python

SCANNERS: dict[str, Callable[[Path], Outcome]] = {
    "ruff": run_ruff,
    "bandit": run_bandit,
    "suppressions": check_suppressions,
    "secrets": scan_secrets,
    "lock": check_lock,
    "pip-audit": audit_python,
    "npm audit": audit_extension,
    "licences": check_licences,
    "SBOM (Python)": write_python,
    "SBOM (extension)": write_extension,
}


def run(name: str, scanner: Callable[[Path], Outcome], tree: Path) -> Outcome:
    """Runs one scanner. Whatever ends without a result has failed, unless it says that it could not check."""
    try:
        return scanner(tree)
    except NotChecked as reason:
        return Outcome(name, State.NOT_CHECKED, str(reason))
    except (Broken, OSError, LookupError, ValueError) as error:
        return Outcome(name, State.FAILED, f"{type(error).__name__}: {error}")


def exit_status(outcomes: list[Outcome], *, strict: bool) -> int:
    """Returns 1 if a scanner failed or, if strict, could not check."""
    bad = {State.FAILED, State.NOT_CHECKED} if strict else {State.FAILED}
    return int(any(outcome.state in bad for outcome in outcomes))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scanners", description=__doc__)
    parser.add_argument("tree", nargs="?", type=Path, default=Path(), help="the repository (default: here)")
    parser.add_argument("--strict", action="store_true", help="what cannot be checked fails, too")
    options = parser.parse_args(arguments)

    outcomes = []
    for name, scanner in SCANNERS.items():
        outcome = run(name, scanner, options.tree.resolve())
        outcomes.append(outcome)
        for finding in outcome.findings:
            print(f"{name}: {finding}")
        if outcome.state is State.NOT_CHECKED:
            print(f"not checked: {name}: {outcome.summary}")
    width = max(map(len, SCANNERS))
    print("\nSecurity scan:")
    for outcome in outcomes:
        print(f"  {outcome.scanner:{width}}  {outcome.state.value:11}  {outcome.summary}")
    return exit_status(outcomes, strict=options.strict)


if __name__ == "__main__":
    sys.exit(main())
