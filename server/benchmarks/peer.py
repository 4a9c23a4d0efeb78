"""The peer, semble, measured in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.memory import PeakMemory

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class PeerRound:
    """One run of the peer on one folder, from a cold start."""

    version: str
    import_seconds: float
    #: Import, loading of the model and indexing.
    index_seconds: float
    files: int
    chunks: int
    #: One entry for each search.
    query_ms: list[float]
    peak_mib: float


def make_stand_in(python: Path, model: Path, folders: Sequence[Path]) -> None:
    """Build a model of the peer's shape in ``model``. Raises CalledProcessError."""
    subprocess.run([python, _HERE / "stand_in.py", model, *folders], check=True)


def measure(python: Path, folder: Path, model: str, queries: Sequence[str], runs: int) -> PeerRound:
    """``model`` is a folder or a name, empty for the peer's own. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="conexus-peer-") as scratch:
        asked = Path(scratch, "queries.json")
        asked.write_text(json.dumps(list(queries)), encoding="utf-8")
        command = [str(part) for part in (python, _HERE / "peer_worker.py", folder, model, asked, runs)]
        # A cache of its own: nothing from an earlier run helps.
        environment = {**os.environ, "SEMBLE_CACHE_LOCATION": scratch}
        if model:
            environment["HF_HUB_OFFLINE"] = "1"
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process,
            PeakMemory(process.pid) as memory,
        ):
            output, _ = process.communicate()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, "the peer")
    result = json.loads(output)
    return PeerRound(
        version=result["version"],
        import_seconds=result["importSeconds"],
        index_seconds=result["indexSeconds"],
        files=result["files"],
        chunks=result["chunks"],
        query_ms=result["queryMs"],
        peak_mib=memory.mib,
    )
