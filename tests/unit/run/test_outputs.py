"""The user's files are the user's."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gof.experiment.config import Config
from gof.metrics.views import ViewsJob, run_views
from gof.run.files import InputError, atomic_write, write_json
from gof.run.job import job
from gof.run.outputs import MARK, Writes, prune
from gof.sources.jobs import PrepareJob
from gof.sources.make import run_prepare

OWN = {"source": "photographs", "folder": "ph", "resolutions": [16], "shard_size": 4}
CONFIG = Config.parse({"tracking": {"enabled": False}, "datasets": {"mine": OWN}})


def run(record: Path, inputs: dict[str, Path] | None = None, writes: Writes | None = None) -> None:
    with job(record, "toy", CONFIG, inputs or {}, writes or Writes()):
        for path in (writes or Writes()).beside:
            atomic_write(path, "new")


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def users(tmp_path):
    """A folder with files of the user's."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("record.json", "picture.png", "notes.txt"):
        (folder / name).write_text(f"mine: {name}")
    return folder


@pytest.mark.parametrize("fills", [False, True])
@pytest.mark.parametrize("name", ["record.json", "picture.png", ".", "new/../record.json"])
def test_files_that_exist_are_refused_before_the_job_begins(users, name, fills):
    before = contents(users)
    began = []
    writes = Writes((users / name,), fills)
    with (
        pytest.raises(InputError, match=r"was not made by gof|is a folder|did not make"),
        job(users / "new.json", "toy", CONFIG, {}, writes),
    ):
        began.append(1)
    assert contents(users) == before and not began


@pytest.mark.parametrize("record", ["notes.txt", "record.json"])
def test_a_record_over_a_file_of_the_users_is_refused(users, record):
    before = contents(users)
    with pytest.raises(InputError, match="was not made by gof"):
        run(users / record)
    assert contents(users) == before


def test_what_a_job_did_not_announce_is_watched_too(users):
    before = contents(users)
    with (
        pytest.raises(InputError, match=r"picture\.png"),
        job(users / "new.json", "toy", CONFIG, {}),
    ):
        atomic_write(users / "picture.png", "new")
    assert contents(users) == before


def test_a_new_file_may_lie_beside_the_users_and_be_made_again(users):
    before = contents(users)
    writes = Writes((users / "head.png",))
    for _ in range(2):
        run(users / "head.json", writes=writes)
    assert json.loads((users / "head.json").read_text())["outputs"] == ["head.png"]
    assert {k: v for k, v in contents(users).items() if k in before} == before
    assert not (users / MARK).exists()


def test_a_job_that_fills_a_folder_wants_one_of_its_own(users, tmp_path):
    with pytest.raises(InputError, match="name a new folder"):
        run(users / "new.json", writes=Writes((users / "head.png",), fills=True))
    for _ in range(2):  # its own it may fill again, also where its record is gone
        run(tmp_path / "ours" / "new.json", writes=Writes(fills=True))
        (tmp_path / "ours" / "new.json").unlink()


@pytest.mark.parametrize("place", ["data.json", "photos/p.png", "link.json"])
def test_no_input_is_written(tmp_path, place):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / MARK).touch()  # even where the folder is ours
    (tmp_path / MARK).touch()
    (tmp_path / "data.json").write_text("{}")
    (tmp_path / "link.json").symlink_to(tmp_path / "data.json")
    inputs = {"data": tmp_path / "data.json"}
    with pytest.raises(InputError, match="input"):
        run(tmp_path / place, inputs, Writes(reads=(photos,)))
    assert (tmp_path / "data.json").read_text() == "{}"


def test_prune_leaves_folders_alone_that_are_not_ours(users):
    before = contents(users)
    prune(users, "*", [])
    assert contents(users) == before
    (users / MARK).touch()
    prune(users, "*.png", ["other.png"])
    assert "picture.png" not in contents(users)


def photographs(folder: Path, count: int = 12) -> Path:
    folder.mkdir()
    draw = np.random.default_rng(0)
    for k in range(count):
        pixels = draw.integers(0, 255, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{k}.png")
    return folder


def test_prepare_does_not_write_among_the_photographs(tmp_path):
    images = photographs(tmp_path / "ph")
    before = contents(images)
    for name, reason in (("p1.png", "known endings"), ("manifest.json", "input")):
        with pytest.raises(InputError, match=reason):
            run_prepare(CONFIG, PrepareJob(images=images, out=images / name))
    assert contents(images) == before


def test_prepare_does_not_fill_a_foreign_folder(tmp_path, users):
    images, before = photographs(tmp_path / "ph"), contents(users)
    with pytest.raises(InputError, match="name a new folder"):
        run_prepare(CONFIG, PrepareJob(images=images, out=users / "manifest.json"))
    assert contents(users) == before


def test_a_bad_photograph_leaves_the_data_set_that_was_there(tmp_path):
    images, out = photographs(tmp_path / "ph"), tmp_path / "data" / "manifest.json"
    run_prepare(CONFIG, PrepareJob(images=images, out=out))
    before = contents(out.parent)
    (images / "p5x.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="p5x"):
        run_prepare(CONFIG, PrepareJob(images=images, out=out))
    assert contents(out.parent) == before
    (images / "p5x.png").unlink()
    (images / "p0.png").unlink()  # fewer photographs: shards of before go
    run_prepare(CONFIG, PrepareJob(images=images, out=out))
    shards = {name for name in contents(out.parent) if name.endswith(".safetensors")}
    splits = json.loads(out.read_text())["splits"].values()
    assert shards == {shard["file"] for split in splits for shard in split["shards"]}


def test_views_do_not_replace_their_generator(tmp_path):
    generator = tmp_path / "generator.json"
    generator.write_text("{}")
    with pytest.raises(InputError, match="is an input"):
        run_views(CONFIG, ViewsJob(generator=generator, out=generator))
    assert generator.read_text() == "{}"


def test_a_torn_record_of_ours_is_no_licence(users):
    write_json(users / "record.json", {"outputs": ["picture.png"], "versions": {"torch": "2"}})
    with pytest.raises(InputError, match="was not made by gof"):
        run(users / "record.json", writes=Writes((users / "picture.png",)))


@pytest.mark.parametrize(
    ("count", "line"),
    [
        (1, "wrote {0}/picture0.png, {0}/record.json\n"),
        (3, "wrote {0}/picture0.png, {0}/picture1.png, {0}/picture2.png, {0}/record.json\n"),
        (4, "wrote {0}/picture0.png and 4 more files\n"),
    ],
)
def test_the_last_line_of_a_job_says_what_it_wrote(tmp_path, capsys, count, line):
    folder = tmp_path / "new"
    files = tuple(folder / f"picture{i}.png" for i in range(count))
    for _ in range(2):  # again, over the files of the first time
        run(folder / "record.json", writes=Writes(files))
        assert capsys.readouterr().err == line.format(folder)


def test_what_was_only_announced_is_not_said_to_be_written(tmp_path, capsys):
    with job(tmp_path / "new" / "record.json", "toy", CONFIG, {}, Writes((tmp_path / "x.png",))):
        pass
    assert capsys.readouterr().err == f"wrote {tmp_path}/new/record.json\n"


def test_a_job_that_fails_says_nothing(tmp_path, capsys):
    out = tmp_path / "new" / "picture.png"
    with pytest.raises(ValueError, match="no"), job(out.with_suffix(".json"), "toy", CONFIG, {}):
        atomic_write(out, "new")
        raise ValueError("no")
    assert capsys.readouterr().err == ""
