"""Stores named arrays in one file and maps them into memory when they are read.

The file has the layout of safetensors (a length, a JSON header, the arrays), so other programs can read it. The
safetensors library is not used, because it reads the file into memory, which this module only maps, and because it
needs all arrays at once to write them.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import zlib
from collections.abc import Iterable, Mapping
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from conexus import own_files

Arrays = dict[str, NDArray[Any]]

#: Alignment in bytes: every array begins at a multiple of this, so that it can be used in place.
_ALIGNMENT = 64
_BLOCK_BYTES = 1 << 20
#: Most bytes of a header, and most axes of an array.
_LONGEST_HEADER, _MOST_AXES = 1 << 20, 8
_CHECKSUM = "crc32"
_DTYPES = {
    "U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64,
    "I32": np.int32, "I64": np.int64, "F16": np.float16, "F32": np.float32, "F64": np.float64,
}  # fmt: skip
_DTYPE_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}


class DamagedFile(RuntimeError):
    """Raised if a file is not a file of arrays, is incomplete, or does not match its checksum."""


class MappedFile:
    """A file of arrays mapped into memory, and the state (identity, size, time) that the file had when it was mapped.

    The system kills a process (SIGBUS) that reads past the end of a file which was cut short after it was mapped.
    Callers therefore check the file before they read.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        """Maps ``file``, which was opened from ``path``. Raises OSError if it cannot be mapped."""
        self.memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._path = path
        self._state = _state_of(os.fstat(file.fileno()))

    def __len__(self) -> int:
        """Returns the size of the mapping in bytes."""
        return len(self.memory)

    def is_untouched(self) -> bool:
        """Decides from the file's size and time whether the file seems unchanged. Reads none of its bytes.

        Returns True if the path no longer exists or names another file, because neither changes the mapped file.
        """
        state = self._state_now()
        # Another file under this path leaves the mapped file unchanged.
        return state is None or state[:2] != self._state[:2] or state == self._state

    def is_whole(self) -> bool:
        """Decides by checksum whether the arrays are still as they were written.

        Reads every byte, while other threads go on. If the arrays are whole, the present state of the file becomes
        the reference for ``is_untouched``.
        """
        state = self._state_now()
        if self.memory.size() < len(self.memory):
            return False
        try:
            length = int.from_bytes(self.memory[:8], "little")
            checksum = str(json.loads(self.memory[8 : 8 + length])["__metadata__"][_CHECKSUM])
        except (ValueError, KeyError, TypeError):
            return False
        with memoryview(self.memory) as whole, whole[8 + length :] as arrays:
            if str(zlib.crc32(arrays)) != checksum:
                return False
        self._state = state or self._state
        return True

    def release(self) -> None:
        """Releases the mapped pages. They stay in the system's cache, from which later reads take them again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.memory.madvise(mmap.MADV_DONTNEED)

    def _state_now(self) -> tuple[int, ...] | None:
        try:
            return _state_of(os.stat(self._path))  # noqa: PTH116  before every request: Path costs more than the call
        except OSError:
            return None


def _state_of(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


def save(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Writes a file atomically: afterwards it is complete or as before. Raises OSError if it cannot be written."""
    with own_files.replacing(path) as file:
        _write(file, arrays, metadata)


def _write(file: IO[bytes], arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    contents = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header: dict[str, Any] = {}
    end = 0
    for name, array in contents.items():
        # safetensors allows no gaps between arrays, so an extra array fills each gap up to the next array's beginning.
        start = end + -end % _ALIGNMENT
        if start > end:
            header[f"__{name}"] = {"dtype": "U8", "shape": [start - end], "data_offsets": [end, start]}
        end = start + array.nbytes
        header[name] = {"dtype": _DTYPE_NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
    checksum = 0
    offset = 0
    for name, array in contents.items():
        gap = bytes(header[name]["data_offsets"][0] - offset)
        checksum = zlib.crc32(_bytes(array), zlib.crc32(gap, checksum))
        offset = header[name]["data_offsets"][1]
    header["__metadata__"] = {**metadata, _CHECKSUM: str(checksum)}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-(8 + len(encoded)) % _ALIGNMENT)
    file.write(len(encoded).to_bytes(8, "little"))
    file.write(encoded)
    offset = 0
    for name, array in contents.items():
        start, offset_after = header[name]["data_offsets"]
        file.write(bytes(start - offset))
        file.write(_bytes(array))
        offset = offset_after


def _bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def load(path: Path, *, verify: bool, follow: bool = False) -> tuple[Arrays, dict[str, str], MappedFile]:
    """Returns the arrays of a file (read-only), its metadata and the mapping. Reads nothing but the header.

    With ``verify``, everything is read once and compared with the stored checksum, which finds accidents. The header is
    checked in any case: no array lies outside the file, whoever wrote it. With ``follow``, the path may be a link.
    Raises OSError if the file cannot be read, DamagedFile if it is not a file of arrays or is damaged.
    """
    with own_files.open_regular(path, follow=follow) as file:
        length = int.from_bytes(file.read(8), "little")
        size = os.fstat(file.fileno()).st_size
        if not 0 < length <= min(size - 8, _LONGEST_HEADER):
            raise DamagedFile(f"{path.name} is not a file of arrays")
        try:
            header = json.loads(file.read(length))
            metadata = {str(key): str(value) for key, value in header.pop("__metadata__", {}).items()}
            checksum = metadata.pop(_CHECKSUM, "")
            if 8 + length + _end_of_arrays(header.values()) != size:
                raise DamagedFile(f"{path.name} is not whole")
            if verify and str(_checksum(file)) != checksum:
                raise DamagedFile(f"{path.name} is not as it was written")
            mapped = MappedFile(file, path)
            arrays = {
                name: _array(mapped.memory, 8 + length, each) for name, each in header.items() if name[:2] != "__"
            }
            return arrays, metadata, mapped
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedFile(f"{path.name} is not a file of arrays") from error


def _end_of_arrays(headers: Iterable[Mapping[str, Any]]) -> int:
    """Returns the end of the last array. Raises ValueError, KeyError or TypeError if they overlap or are no arrays."""
    end = 0
    for start, after, header in sorted(((*each["data_offsets"], each) for each in headers), key=itemgetter(0, 1)):
        shape = header["shape"]
        numbers = (start, after, *shape)
        if start != end or not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError("the arrays do not lie side by side")
        if len(shape) > _MOST_AXES or after - start != math.prod(shape) * np.dtype(_DTYPES[header["dtype"]]).itemsize:
            raise ValueError("an array has another size than its shape says")
        end = after
    return end


def _array(mapped: mmap.mmap, base: int, header: Mapping[str, Any]) -> NDArray[Any]:
    dtype, (start, end) = np.dtype(_DTYPES[header["dtype"]]), header["data_offsets"]
    if end == start:
        return np.empty(header["shape"], dtype)
    return np.frombuffer(mapped, dtype, (end - start) // dtype.itemsize, base + start).reshape(header["shape"])


def _checksum(file: IO[bytes]) -> int:
    checksum = 0
    while block := file.read(_BLOCK_BYTES):
        checksum = zlib.crc32(block, checksum)
    return checksum
