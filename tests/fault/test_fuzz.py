"""Whatever is in a file, its reader gives what it read or says in one line what is wrong: no other
exception, no long wait, no flood of memory."""

import io
import json
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from scipy.io import savemat

from gof.config.errors import ConfigError
from gof.data import download
from gof.data.assets import assets
from gof.data.collection import decode
from gof.data.manifest import load_manifest
from gof.data.reader import Reader
from gof.experiment.config import Config
from gof.models import pretrained
from gof.morphable.bfm import read_bfm
from gof.morphable.coefficients import Statistics
from gof.morphable.model import MorphableModel
from gof.readers.convnet import ConvRegressor
from gof.readers.files import load_regressor, save_regressor
from gof.report.claims import read_claims
from gof.report.expected import read_metrics
from gof.report.published import published
from gof.report.records import read_records
from gof.report.tables import LONG
from gof.run.files import InputError, write_json, write_npz
from gof.run.images import BadImage
from gof.run.spool import events
from gof.run.weights import read_weights
from gof.training import checkpoint
from gof.training.state import read_state, write_state
from tests.unit.metrics.small import saved
from tests.unit.toy_training import Tiny

MUTATIONS = 300
SLOW = {"matlab": 6}  # each in a process of its own
LONGEST_S, MOST_MIB = 20.0, 500
TOLD = (InputError, ConfigError, BadImage)
Reading = tuple[bytes, str, Callable[[Path], object]]  # a good file's content, its name, its reader


def json_record(folder: Path) -> Reading:
    values = {"kind": "evaluate", "numbers": {"rows": []}, "wall_s": 1.0, "peak_mib": 3}
    write_json(folder / "heads" / "data" / "data.json", values)
    content = (folder / "heads" / "data" / "data.json").read_bytes()
    return content, "heads/data/data.json", lambda path: read_records([path])


def manifest(folder: Path, data: Path) -> Reading:
    def read(path: Path) -> None:
        found = load_manifest(path)
        for split in found.splits:
            Reader(found, split).verify()

    return data.read_bytes(), data.name, read


def shard(folder: Path, data: Path) -> Reading:
    path = next(data.parent.glob("train-000.*"))

    def read(path: Path) -> None:
        reader = Reader(load_manifest(data), "train")
        reader.verify()
        reader.images(8, [0, 3])

    return path.read_bytes(), path.name, read


def state(folder: Path) -> Reading:
    write_state(folder / "state.safetensors", Tiny(folder).state_after(3))
    return (folder / "state.safetensors").read_bytes(), "state.safetensors", read_state


def log_of_a_checkpoint(folder: Path) -> Reading:
    tiny = Tiny(folder)
    checkpoint.save(tiny.folder, tiny.state_after(3), keep=2)
    place = checkpoint.steps(tiny.folder)[0].relative_to(folder) / "log.json"
    return (
        (folder / place).read_bytes(),
        str(place),
        lambda _: checkpoint.load_newest(tiny.folder, tiny.state()),
    )


def generator(folder: Path) -> Reading:
    return saved(folder).read_bytes(), "generator.yaml", pretrained.load


def weights_of_a_generator(folder: Path) -> Reading:
    path = saved(folder)
    name = path.with_suffix(".safetensors").name
    return (folder / name).read_bytes(), name, lambda _: pretrained.load(path)


def regressor(folder: Path) -> Reading:
    save_regressor(folder / "r.yaml", ConvRegressor(3, 4), {"name": "judge"})
    return (folder / "r.yaml").read_bytes(), "r.yaml", load_regressor


def weights_of_a_regressor(folder: Path) -> Reading:
    path = folder / regressor(folder)[1]
    content = path.with_suffix(".safetensors").read_bytes()
    return content, "r.safetensors", lambda _: load_regressor(path)


def asset(folder: Path) -> Reading:
    source = next(iter(assets().values()))
    write_json(folder / "a.json", {"name": source.name, "sha256": source.sha256, "path": "none"})

    def read(path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(download, "fetch", lambda *_: folder)  # it would be fetched again
            download.resolve(path)

    return (folder / "a.json").read_bytes(), "a.json", read


def weights(folder: Path) -> Reading:
    content = io.BytesIO()
    torch.save({"a": torch.zeros(30), "b": {"c": torch.ones(3)}}, content)
    return content.getvalue(), "w.pth", read_weights


def legacy_weights(folder: Path) -> Reading:
    content = io.BytesIO()
    torch.save({"a": torch.zeros(30)}, content, _use_new_zipfile_serialization=False)
    return content.getvalue(), "w.pth", read_weights


def statistics(folder: Path) -> Reading:
    arrays = {}
    for name in ("identity", "expression", "albedo", "light"):
        arrays |= {f"{name}_mean": np.zeros(3), f"{name}_factor": np.eye(3)}
    write_npz(folder / "s.npz", arrays)
    return (folder / "s.npz").read_bytes(), "s.npz", Statistics.load


def head_model(folder: Path) -> Reading:
    write_npz(folder / "m.npz", {"mean": np.zeros((4, 3), np.float32), "face": np.ones(4, bool)})
    return (folder / "m.npz").read_bytes(), "m.npz", MorphableModel.load


def matlab(folder: Path) -> Reading:
    savemat(folder / "m.mat", {"meanshape": np.zeros((1, 30)), "tri": np.ones((4, 3))})
    return (folder / "m.mat").read_bytes(), "m.mat", lambda path: read_bfm(path, 12.0)


def configuration(folder: Path) -> Reading:
    return Path("config.yaml").read_bytes(), "config.yaml", lambda path: Config.load(str(path))


def published_numbers(folder: Path) -> Reading:
    nothing = pd.DataFrame(columns=list(LONG))
    content = Path("workflow/paper/published.yaml").read_bytes()
    return content, "p.yaml", lambda path: published(path, nothing)


def claims(folder: Path) -> Reading:
    return Path("workflow/paper/claims.yaml").read_bytes(), "c.yaml", read_claims


def metrics(folder: Path) -> Reading:
    text = "dataset,model,seed,metric,value,spread,n,protocol\nheads,gof,0,sigma,0.2,0.01,2,how\n"
    return text.encode(), "metrics.csv", read_metrics


def spool(folder: Path) -> Reading:
    event = {"event": "curve", "time": 3, "values": {"loss": 1.0}, "step": 4, "shared": True}
    content = (json.dumps(event) + "\n").encode() * 5
    return content, "s.jsonl", lambda path: list(events(path, 0))


def photograph(kind: str) -> Callable[[Path], Reading]:
    def made(folder: Path) -> Reading:
        draw = np.random.default_rng(0)
        content = io.BytesIO()
        Image.fromarray(draw.integers(0, 255, (40, 30, 3), dtype=np.uint8)).save(content, kind)
        suffix = {"JPEG": "jpg", "TIFF": "tif"}.get(kind, kind.lower())
        return content.getvalue(), f"x.{suffix}", lambda path: decode(path, (1.0, 1.0, 1.0))

    return made


KINDS: dict[str, Callable[..., Reading]] = {
    made.__name__: made
    for made in (json_record, manifest, shard, state, log_of_a_checkpoint, generator)
}
KINDS |= {made.__name__: made for made in (weights_of_a_generator, weights, legacy_weights)}
KINDS |= {made.__name__: made for made in (statistics, head_model, matlab, configuration)}
KINDS |= {made.__name__: made for made in (published_numbers, claims, metrics, spool)}
KINDS |= {made.__name__: made for made in (regressor, weights_of_a_regressor, asset)}
KINDS |= {kind: photograph(kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")}

OURS = ("json_record", "manifest", "shard", "state", "generator", "weights_of_a_generator")
OURS += ("statistics", "head_model", "regressor", "weights_of_a_regressor", "asset")

FOREIGN = (
    b"",
    b"\0" * 4000,
    b"<html>404</html>",
    "dear all,\u2028\ufeff".encode(),
    b"\xff\xfe\x00",
    b"[" * 50_000,
    b"{" * 50_000,
    b"- " * 20_000,
    b"null",
    b"[1, 2]",
    b'{"seal": 3}',
    b"3",
    b"a: &a [1]\nb: *a\n",
    b"\x80\x02}q\x00.",
    b"PK\x03\x04" + b"\0" * 60,
    b"%!PS-Adobe-3.0 EPSF-3.0\n",
    yaml.safe_dump({"format": 3}).encode(),
    (2**62).to_bytes(8, "little") + b"{}",
)


def mutated(content: bytes, draw: random.Random) -> bytes:
    """The content with something cut, flipped, doubled, moved, overwritten or grown."""
    changed, size = bytearray(content), len(content)
    for _ in range(draw.choice((1, 1, 1, 2, 8))):
        at, length = draw.randrange(size), draw.randrange(1, min(64, size) + 1)
        kind = draw.randrange(6)
        if kind == 0:
            changed = changed[:at]
        elif kind == 1 and changed:
            changed[at % len(changed)] ^= 1 << draw.randrange(8)
        elif kind == 2:
            changed[at:at] = changed[at : at + length]
        elif kind == 3:
            del changed[at : at + length]
        elif kind == 4:
            changed[at : at + length] = draw.randbytes(length)
        else:
            changed[at : at + length] = draw.choice((b"\0", b"\xff", b"9", b"-")) * length
    return bytes(changed)


@pytest.fixture
def reading(tmp_path: Path, tiny_data: Path) -> Callable[[str], Reading]:
    def made(kind: str) -> Reading:
        more = (tiny_data,) if kind in ("manifest", "shard") else ()
        return KINDS[kind](tmp_path / "good" if not more else tmp_path, *more)

    (tmp_path / "good").mkdir()
    return made


def place_of(kind: str, name: str, tiny_data: Path, folder: Path) -> Path:
    """Where a file of this kind is read: beside what it belongs to, or alone."""
    in_place = kind in ("manifest", "shard", "log_of_a_checkpoint") or kind.startswith("weights_of")
    base = tiny_data.parent if kind in ("manifest", "shard") else folder / "good"
    path = (base if in_place else folder / "odd") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize("kind", OURS)
def test_a_flipped_bit_of_what_we_write_is_never_read(kind, reading, tiny_data, tmp_path) -> None:
    content, name, read = reading(kind)
    path, draw = place_of(kind, name, tiny_data, tmp_path), random.Random(kind)
    for _ in range(MUTATIONS):
        bit = draw.randrange(8 * len(content))
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(InputError):
            read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_any_content_is_read_or_refused_in_a_line(kind, reading, tiny_data, tmp_path) -> None:
    content, name, read = reading(kind)
    path = place_of(kind, name, tiny_data, tmp_path)
    draw, before = random.Random(kind), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = SLOW.get(kind, MUTATIONS)
    tries = [mutated(content, draw) for _ in range(count)] + list(FOREIGN[:count])
    for number, odd in enumerate(tries):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(odd)
        start = time.perf_counter()
        try:
            read(path)
        except TOLD as error:
            assert str(error) and "\n" not in str(error), (number, str(error))
        except Exception as error:
            raise AssertionError(f"{number}: {type(error).__name__}: {error}: {odd!r}") from error
        assert time.perf_counter() - start < LONGEST_S, number
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MOST_MIB
