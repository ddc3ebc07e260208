"""Archives that try to get out, to be something else, or to be too much."""

import io
import os
import shutil
import stat
import tarfile
import tracemalloc
import zipfile

import pytest

from gof.run.archives import Limits, unpack
from gof.run.files import InputError, MachineError

GOOD = {"a/one.txt": b"1" * 1000, "a/b/two.txt": b"2", "three.txt": b""}
LIMITS = Limits(size=50_000_000, members=2000)


def tar(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content, changes in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


def zipped(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return path


def package(path, data):
    """A Debian package: an `ar` archive."""
    parts = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("data.tar.xz", data)):
        parts += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        parts += content + b"\n" * (len(content) % 2)
    path.write_bytes(parts)
    return path


def made(path):
    """The good files in an archive of the kind that the name says."""
    if path.suffix == ".zip":
        return zipped(path, *((name, content, 0o644) for name, content in GOOD.items()))
    members = [(f"./{name}", content, {}) for name, content in GOOD.items()]
    if path.suffix == ".deb":
        inner = tar(path.with_suffix(".tar.xz"), *members, mode="w:xz")
        return package(path, inner.read_bytes())
    return tar(path, *members, mode=f"w:{path.suffix[1:].replace('tar', '')}")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.gz", "a.bz2", "a.xz", "a.deb"])
def test_files_come_out_by_their_names(tmp_path, name):
    archive, folder = made(tmp_path / name), tmp_path / "new" / "out"
    unpack(archive, folder, LIMITS)
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == GOOD
    some = tmp_path / "some"
    unpack(archive, some, LIMITS, lambda name: name.startswith("a/"))
    assert sorted(p.name for p in some.rglob("*.txt")) == ["one.txt", "two.txt"]


def zeros(path):
    """10 GB of zeros in a few MB: a tar whose one file says how large it is."""
    info = tarfile.TarInfo("zeros")
    info.size = 10 * 2**30
    import gzip

    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(info.tobuf())
        for _ in range(64):
            out.write(bytes(2**20))
    return path


def many(path):
    """A million files without content."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0", b"")
    entry = b"PK\x01\x02" + bytes(24) + (1).to_bytes(2, "little") + bytes(16) + b"0"
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff\xff\xff" + (47_000_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes()[:-22] + entry * 1_000_000 + end + bytes(6))
    return path


def lying(path):
    """A zip whose file is longer than it says."""
    zipped(path, ("long.txt", b"x" * 5000, 0o644))
    content = path.read_bytes()
    path.write_bytes(content.replace((5000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    return path


def long_header(path):
    """A tar whose header alone has 100 MB, which a reader would hold in memory."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 100_000_000
    import gzip

    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(100):
            out.write(b"n" * 1_000_000)
    return path


FILE = ("file", b"x", {})
HOSTILE = {
    "up": lambda p: tar(p, ("../out", b"x", {})),
    "absolute": lambda p: tar(p, ("/tmp/gof-out", b"x", {})),
    "symlink": lambda p: tar(
        p, ("l", b"", {"type": tarfile.SYMTYPE, "linkname": ".."}), ("l/out", b"x", {})
    ),
    "hardlink": lambda p: tar(
        p, FILE, ("l", b"", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"})
    ),
    "pipe": lambda p: tar(p, ("pipe", b"", {"type": tarfile.FIFOTYPE})),
    "device": lambda p: tar(p, ("null", b"", {"type": tarfile.CHRTYPE})),
    "twice": lambda p: tar(p, FILE, FILE),
    "case": lambda p: tar(p, FILE, ("FILE", b"y", {})),
    "file as folder": lambda p: tar(p, FILE, ("file/below", b"y", {})),
    "zeros": zeros,
    "many": many,
    "zip up": lambda p: zipped(p, ("a/../../out", b"x", 0o644)),
    "zip symlink": lambda p: zipped(p, ("l", b"/etc/passwd", stat.S_IFLNK | 0o777)),
    "zip lies": lying,
    "backslash": lambda p: zipped(p, ("..\\out", b"x", 0o644)),
    "drive": lambda p: tar(p, ("C:/out", b"x", {})),
    "header": long_header,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_leave_nothing(tmp_path, case):
    archive = HOSTILE[case](tmp_path / "archive")
    before = sorted(tmp_path.rglob("*"))
    tracemalloc.start()
    with pytest.raises(InputError) as error:
        unpack(archive, tmp_path / "out", LIMITS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(archive) in str(error.value) and "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before and not os.path.exists("/tmp/gof-out")
    assert peak < 30_000_000


def test_modes_and_owners_are_not_taken_over(tmp_path):
    rights = {"mode": 0o6777, "uid": 12345, "gid": 12345}
    unpack(tar(tmp_path / "a.tar", ("tool", b"x", rights)), tmp_path / "out", LIMITS)
    status = (tmp_path / "out" / "tool").stat()
    assert status.st_mode & 0o7111 == 0 and status.st_uid == os.getuid()


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.gz", "a.xz", "a.deb"])
def test_archives_cut_short_are_refused_in_one_line(tmp_path, name):
    whole = made(tmp_path / name).read_bytes()
    for share in (0.1, 0.5, 0.9):
        cut = tmp_path / f"cut-{name}"
        cut.write_bytes(whole[: int(len(whole) * share)])
        try:
            unpack(cut, tmp_path / "out", LIMITS)
        except InputError as error:
            assert "\n" not in str(error) and not (tmp_path / "out").exists()
        else:  # what follows the last file of a tar is padding
            assert share >= 0.5 and name == "a.tar"
            shutil.rmtree(tmp_path / "out")


def test_what_is_no_archive_or_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "page").write_text("<html>")
    with pytest.raises(InputError, match="damaged or no archive"):
        unpack(tmp_path / "page", tmp_path / "out")
    with pytest.raises(InputError, match="no such file"):
        unpack(tmp_path / "none", tmp_path / "out")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MachineError, match="cannot be written"):
        unpack(made(tmp_path / "a.zip"), tmp_path / "file" / "out")


def test_limits_count_what_is_not_wanted_too(tmp_path):
    archive = made(tmp_path / "a.zip")
    with pytest.raises(InputError, match="more than 2 files"):
        unpack(archive, tmp_path / "out", Limits(members=2), lambda _: False)
    with pytest.raises(InputError, match="more than 900 bytes"):
        unpack(archive, tmp_path / "out", Limits(size=900), lambda _: False)
