"""The one opener of archives from elsewhere: zip, tar and Debian packages.

Only regular files come out, into one folder, by plain names; how much comes is counted while it is
read, not believed. An archive with anything else is refused whole, and leaves nothing.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any, BinaryIO

from gof.run.files import LARGEST, InputError, MachineError, regular

PIECE = 2**20
HEADERS = 2**20  # bytes that may stand between two members of a tar
AR_MAGIC, AR_HEADER = b"!<arch>\n", 60
ZIP_END, ZIP_ENTRY = b"PK\x05\x06", 512  # bytes of a zip's directory that an entry may take
DECOMPRESSORS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    gzip.BadGzipFile,
    struct.error,
    UnicodeDecodeError,
    NotImplementedError,
    ValueError,
)


class _Refused(Exception):
    """The archive may not be unpacked; the text says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that may come out of an archive: bytes and members, those that are not wanted
    among them."""

    size: int = 100 * 2**30
    members: int = 500_000


@dataclass(frozen=True, slots=True)
class _Member:
    """A regular file in an archive; `open` gives its content while it is the current one."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Path,
    folder: Path,
    limits: Limits = Limits(),
    wanted: Callable[[str], bool] = lambda _: True,
) -> None:
    """Unpack the files whose names are wanted into a new folder, which appears when it is whole.

    Raises InputError naming the archive and what is wrong with it, and MachineError where the
    folder cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".unpack-", dir=folder.parent) as place:
            top = Path(place) / "all"
            top.mkdir()
            with _members(regular(archive, LARGEST), limits) as members:
                _write(members, top, limits, wanted)
            os.rename(top, folder)
    except _Refused as error:
        raise InputError(f"{archive}: not unpacked: {error}") from None
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{archive}: damaged or no archive ({reason}): get it again") from None
    except OSError as error:
        raise MachineError(f"{folder}: cannot be written ({error.strerror})") from None


def _write(
    members: Iterator[_Member], top: Path, limits: Limits, wanted: Callable[[str], bool]
) -> None:
    seen: set[str] = set()
    total = 0
    for count, member in enumerate(members, 1):
        if count > limits.members:
            raise _Refused(f"more than {limits.members:,} files")
        path = _plain(member.name)
        if total + member.size > limits.size:
            raise _Refused(f"more than {limits.size:,} bytes")
        # two names for one file, on systems that know no difference between a and A as well
        key = unicodedata.normalize("NFC", str(path)).casefold()
        if key in seen:
            raise _Refused(f"{member.name}: a name that stands twice")
        seen.add(key)
        target = top / path if wanted(str(path)) else None
        if target:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise _Refused(f"{member.name}: in a folder that is a file") from None
        total += _copy(member, target)


def _plain(name: str) -> PurePosixPath:
    parts = PurePosixPath(name).parts
    odd = any(ord(letter) < 32 or letter in "\\\x7f" for letter in name)
    if not parts or odd or name.startswith("/") or ":" in parts[0] or ".." in parts:
        raise _Refused(f"{name!r:.80}: a name that leads out of its folder, or is none")
    if any(len(part.encode()) > 255 for part in parts) or len(name) > 1000:
        raise _Refused(f"{name:.40}...: a name that is too long")
    return PurePosixPath(*parts)


def _copy(member: _Member, target: Path | None) -> int:
    """The content to a new file, or nowhere; how many bytes it had, which are those it said."""
    count = 0
    with member.open() as content, open(target or os.devnull, "xb" if target else "wb") as out:
        while piece := content.read(PIECE):
            count += len(piece)
            if count > member.size:
                raise _Refused(f"{member.name}: holds more than it says")
            out.write(piece)
    if count < member.size:
        raise _Refused(f"{member.name}: holds less than it says")
    return count


@contextmanager
def _members(archive: Path, limits: Limits) -> Iterator[Iterator[_Member]]:
    """The regular files of an archive, one after another."""
    with open(archive, "rb") as file:
        magic = file.read(8)
        file.seek(0)
        if magic.startswith(b"PK"):
            _check_directory(file, limits)
            with zipfile.ZipFile(file) as opened:
                yield _of_zip(opened)
            return
        packed = _data_of_package(file) if magic == AR_MAGIC else file
        begin = packed.read(8)
        packed.seek(0)
        open_it = next((own for key, own in DECOMPRESSORS.items() if begin.startswith(key)), None)
        counted = _Counted(open_it(packed) if open_it else packed)
        with tarfile.open(fileobj=counted, mode="r|", bufsize=tarfile.RECORDSIZE) as tar:  # type: ignore[call-overload]
            yield _of_tar(tar, counted)


def _check_directory(file: BinaryIO, limits: Limits) -> None:
    """Refuse a zip whose directory, which is read at once, is too large for its files."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 2**16 - 22))
    tail = file.read()
    place = tail.rfind(ZIP_END)
    if place >= 0 and len(tail) >= place + 22:
        directory = struct.unpack("<L", tail[place + 12 : place + 16])[0]
        if min(directory, size) > limits.members * ZIP_ENTRY:
            raise _Refused(f"more than {limits.members:,} files")
    file.seek(0)


def _of_zip(opened: zipfile.ZipFile) -> Iterator[_Member]:
    for info in opened.infolist():
        mode = info.external_attr >> 16
        if info.is_dir():
            continue
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise _Refused(f"{info.filename}: neither a file nor a folder")
        if info.flag_bits & 1:
            raise _Refused(f"{info.filename}: encrypted")
        yield _Member(info.filename, info.file_size, lambda info=info: opened.open(info))  # type: ignore[misc]


def _of_tar(tar: tarfile.TarFile, counted: _Counted) -> Iterator[_Member]:
    counted.allowed = HEADERS
    while (info := tar.next()) is not None:
        if info.isdir():
            pass  # folders come with their files
        elif not info.isreg() or info.issparse():
            raise _Refused(f"{info.name}: neither a file nor a folder")
        else:
            counted.allowed = info.size + HEADERS
            yield _Member(info.name, info.size, lambda info=info: _opened(tar, info))  # type: ignore[misc]
        counted.allowed = HEADERS
        tar.members = []  # type: ignore[attr-defined] # it would remember all
    while counted.read(PIECE):
        pass  # to the end, where a compressed one is checked


def _opened(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    assert content is not None
    return content


class _Counted(io.RawIOBase):
    """A stream that gives no more than is allowed at the moment: headers may be made to be read
    into memory whole."""

    def __init__(self, source: IO[bytes]) -> None:
        self.source, self.allowed = source, HEADERS

    def read(self, size: int = -1) -> bytes:
        """See io."""
        piece = self.source.read(size)
        self.allowed -= len(piece)
        if self.allowed < 0:
            raise _Refused("headers that are too large")
        return piece


def _data_of_package(file: BinaryIO) -> BinaryIO:
    """The tar with the files of a Debian package, which is an `ar` archive."""
    file.seek(len(AR_MAGIC))
    while len(header := file.read(AR_HEADER)) == AR_HEADER:
        name, size = header[:16].decode("ascii").strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            return io.BufferedReader(_Slice(file, file.tell(), size))
        file.seek(size + size % 2, io.SEEK_CUR)
    raise _Refused("a package without files")


class _Slice(io.RawIOBase):
    """A part of a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self.file, self.start, self.length, self.place = file, start, size, 0

    def readable(self) -> bool:
        """See io."""
        return True

    def seekable(self) -> bool:
        """See io."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See io."""
        self.file.seek(self.start + self.place)
        piece = self.file.read(min(len(buffer), self.length - self.place))
        buffer[: len(piece)] = piece
        self.place += len(piece)
        return len(piece)

    def seek(self, place: int, whence: int = 0) -> int:
        """See io."""
        self.place = place + (0, self.place, self.length)[whence]
        return self.place
