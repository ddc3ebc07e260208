"""Photographs of every kind, and files that are none."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gof.data import collection as images
from gof.data.collection import BadImage, crop_and_resize, decode, split_of
from gof.data.manifest import load_manifest
from gof.data.reader import load_images
from gof.data.settings import Photographs
from gof.experiment.config import Config
from gof.geometry.settings import Camera
from gof.run.files import InputError, read_json
from gof.sources.jobs import PrepareJob
from gof.sources.make import make, run_prepare
from gof.sources.registry import SOURCES

BACKGROUND = (1.0, 0.5, 0.0)
SHARES = {"train": 0.9, "validation": 0.05, "test": 0.05}
OWN = {"resolutions": [8, 16], "background": list(BACKGROUND), "shard_size": 4}


def configured(folder, **settings):
    """An experiment with this folder as its data set `mine`."""
    own = {"source": "photographs", "folder": str(folder), **OWN, **settings}
    return Config.parse({"datasets": {"mine": own}, "tracking": {"enabled": False}})


def prepare(folder, out, **settings):
    make(configured(folder, **settings), "mine", {}, out)


def picture(size=(24, 24), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def save(folder, name, image=None, **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or picture()).save(path, **options)
    return path


def half(mode, value):
    """A 24 px image of one value."""
    return Image.new(mode, (24, 24), value)


def wide_grey():
    return Image.fromarray(np.full((24, 24), 32768, np.uint16))


def palette_with_transparency():
    image = Image.new("P", (24, 24), 1)
    image.putpalette([0, 0, 0, 10, 20, 30] + [0] * 762)
    image.info["transparency"] = 1
    return image


@pytest.mark.parametrize(
    "image, suffix, mean",
    [
        (half("L", 100), "png", (100, 100, 100)),
        (half("1", 1), "png", (255, 255, 255)),
        (half("P", 0).convert("P"), "png", (0, 0, 0)),
        (half("LA", (100, 255)), "png", (100, 100, 100)),
        (half("RGBA", (10, 20, 30, 255)), "png", (10, 20, 30)),
        (half("RGBA", (10, 20, 30, 0)), "png", (255, 128, 0)),
        (half("RGBA", (0, 0, 0, 128)), "png", (127, 64, 0)),
        (half("CMYK", (0, 255, 255, 0)), "tif", (255, 0, 0)),
        (half("YCbCr", (128, 128, 128)), "tif", (128, 128, 128)),
        (wide_grey(), "png", (128, 128, 128)),
        (wide_grey(), "tif", (128, 128, 128)),
        (palette_with_transparency(), "png", (255, 128, 0)),
        (half("RGB", (1, 2, 3)), "gif", (1, 2, 3)),
        (half("RGB", (9, 8, 7)), "webp", (9, 8, 7)),
    ],
)
def test_modes_have_the_expected_mean(tmp_path, image, suffix, mean):
    options = {"lossless": True} if suffix == "webp" else {}
    if image.info.get("transparency") is not None:
        options["transparency"] = image.info["transparency"]
    path = save(tmp_path, f"x.{suffix}", image, **options)
    found = np.asarray(decode(path, BACKGROUND)).reshape(-1, 3).mean(0)
    np.testing.assert_allclose(found, mean, atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = Image.new("RGB", (32, 16), "black")
    upright.paste("red", (0, 0, 8, 8))  # marks the upper left corner
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path, "x.png", stored, exif=exif)
    np.testing.assert_array_equal(np.asarray(decode(path, BACKGROUND)), np.asarray(upright))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_every_cut_file_is_bad(tmp_path, suffix):
    whole = save(tmp_path, f"whole.{suffix}", picture((64, 48))).read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    generator = np.random.default_rng(0)
    last = len(whole) - 12 if suffix == "png" else len(whole) - 2  # the end mark may be missing
    for length in generator.integers(0, last, 100):
        cut.write_bytes(whole[:length])
        with pytest.raises(BadImage):
            decode(cut, BACKGROUND)


def bomb(width, height):
    """A small PNG that claims to be large."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(10_000))
    png = b"\x89PNG\r\n\x1a\n"
    return png + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [7_100, 9_000, 19_000])
def test_bombs_are_refused_from_the_header(tmp_path, side, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(side, side))
    with pytest.raises(BadImage, match=r"more than|exceeds limit"):
        decode(path, BACKGROUND)


def test_what_is_no_image_is_bad_and_does_not_hang(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "page.jpg").write_text("<html>404</html>")
    (tmp_path / "drawing.svg").write_text("<svg/>")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(BadImage) as error:
            decode(path, BACKGROUND)
        assert "\n" not in str(error.value) and str(error.value)


def test_a_share_of_the_centre_square_may_be_cut() -> None:
    """The papers' CelebA: short side to 320, centre 256, of 178 x 218 pixels."""
    ramp = np.broadcast_to(np.arange(178, dtype=np.float32), (218, 178))
    image = Image.fromarray(np.stack([ramp.astype(np.uint8)] * 3, -1))
    (found,) = crop_and_resize(image, (16,), 0.8).values()
    wide = image.resize((320, 392), Image.Resampling.BICUBIC)
    cut = wide.crop((32, 68, 288, 324)).resize((16, 16), Image.Resampling.BICUBIC)
    assert np.abs(found.astype(int) - np.asarray(cut).astype(int)).max() <= 1
    with pytest.raises(BadImage, match="178 x 218 pixels, of which 142 are cut out, smaller"):
        crop_and_resize(image, (256,), 0.8)


def test_crop_is_the_centre_square_and_resize_averages():
    image = Image.new("RGB", (64, 32), "black")
    image.paste("white", (16, 0, 48, 32))  # exactly the centre square
    found = crop_and_resize(image, (8, 16))
    assert found["image_8"].shape == (8, 8, 3)
    assert (found["image_16"] == 255).all() and (found["image_8"] == 255).all()
    fine = Image.fromarray(np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255).convert("RGB")
    grey = crop_and_resize(fine, (8,))["image_8"]
    assert abs(grey.astype(int) - 127).max() <= 3  # a chequerboard is grey from afar


def test_small_images_are_not_enlarged():
    with pytest.raises(BadImage, match="15 x 40 pixels, smaller than 16"):
        crop_and_resize(Image.new("RGB", (15, 40)), (8, 16))


def test_split_depends_on_the_name_alone_and_keeps_its_shares():
    names = [f"folder/{i:05d}.jpg" for i in range(4000)]
    splits = [split_of(name, SHARES) for name in names]
    assert splits == [split_of(name, SHARES) for name in names]
    assert abs(splits.count("train") / 4000 - 0.9) < 0.02
    assert abs(splits.count("test") / 4000 - 0.05) < 0.015


@pytest.mark.parametrize(
    "shares",
    [
        {"train": 0.5, "validation": 0.2, "test": 0.3},
        {"test": 0.3, "train": 0.7, "validation": 0.0},
        {"train": 1.0, "validation": 0.0, "test": 0.0},
    ],
)
def test_splits_have_the_configured_shares(shares):
    splits = [split_of(f"{i:05d}.jpg", shares) for i in range(4000)]
    for name, share in shares.items():
        found = splits.count(name) / 4000
        assert abs(found - share) < 0.03 and (share > 0 or found == 0)


def test_more_for_training_takes_no_image_out_of_it():
    names = [f"{i:05d}.jpg" for i in range(1000)]
    few = {"train": 0.5, "validation": 0.25, "test": 0.25}
    first = {name for name in names if split_of(name, few) == "train"}
    assert first <= {name for name in names if split_of(name, SHARES) == "train"}


@pytest.fixture
def folder(tmp_path):
    """Thirty images in two folders, made in no order."""
    place = tmp_path / "photographs"
    for i in np.random.default_rng(1).permutation(30):
        save(place, f"{'ab'[i % 2]}/{i:02d}.png", picture(seed=int(i)))
    save(place, ".hidden/x.png")
    return place


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_folder_becomes_a_data_set_in_sorted_order(folder, tmp_path, share):
    out = tmp_path / "data" / "manifest.json"
    prepare(folder, out, crop_share=share)
    manifest = load_manifest(out)
    names = sorted(f"{'ab'[i % 2]}/{i:02d}.png" for i in range(30))
    train = [name for name in names if split_of(name, SHARES) == "train"]
    assert sum(split.count for split in manifest.splits.values()) == 30
    assert manifest.resolutions == (8, 16) and manifest.name == "mine"
    assert (manifest.offers, manifest.background) == (("images",), BACKGROUND)
    assert max(shard.count for shard in manifest.splits["train"].shards) == 4
    found = load_images(manifest, "train", 16).permute(0, 2, 3, 1).numpy()
    assert len(found) == len(train)
    for row, name in zip(found, train, strict=True):
        expected = crop_and_resize(picture(seed=int(name[2:4])), (16,), share)["image_16"]
        np.testing.assert_array_equal(row, expected)
    assert read_json(out.with_name("data.json"))["numbers"]["skipped"] == 0


def test_its_settings_go_into_the_manifest(folder, tmp_path):
    camera = {"law": "uniform", "fov_deg": 30.0, "near": 0.7, "far": 1.3, "yaw_mean": 0.1}
    shares = {"train": 0.6, "validation": 0.1, "test": 0.3}
    settings = {"camera": camera, "flip": False, "splits": shares, "resolutions": [8]}
    out = tmp_path / "data" / "manifest.json"
    prepare(folder, out, **settings)
    manifest = load_manifest(out)
    assert manifest.camera == Camera.model_validate(camera)
    assert (manifest.flip, manifest.resolutions) == (False, (8,))
    names = [f"{'ab'[i % 2]}/{i:02d}.png" for i in range(30)]
    expected = [split_of(name, shares) for name in names]
    counts = {name: manifest.splits[name].count for name in shares}
    assert counts == {name: expected.count(name) for name in shares}


def test_two_folders_are_two_data_sets(folder, tmp_path):
    save(tmp_path / "other", "only.png", picture(seed=99))
    datasets = {
        "one": {"source": "photographs", "folder": str(folder), **OWN},
        "two": {
            "source": "photographs",
            "folder": str(tmp_path / "other"),
            "resolutions": [16],
            "splits": {"train": 1, "validation": 0, "test": 0},
        },
    }
    config = Config.parse({"datasets": datasets, "tracking": {"enabled": False}})
    for name, count, background in (("one", 30, BACKGROUND), ("two", 1, (1.0, 1.0, 1.0))):
        out = tmp_path / "results" / name / "manifest.json"
        make(config, name, {}, out)
        manifest = load_manifest(out)
        assert (manifest.name, manifest.background) == (name, background)
        assert sum(split.count for split in manifest.splits.values()) == count


def test_a_folder_is_prepared_with_the_settings_of_the_first_of_its_kind(folder, tmp_path):
    config = configured(tmp_path / "elsewhere", flip=False)
    out = tmp_path / "data" / "manifest.json"
    run_prepare(config, PrepareJob(images=folder, out=out, on_bad="fail"))
    manifest = load_manifest(out)
    assert (manifest.name, manifest.resolutions, manifest.flip) == ("photographs", (8, 16), False)
    (folder / "bad.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"move them away$"):
        run_prepare(config, PrepareJob(images=folder, out=out, on_bad="skip"))
    plain = Config.parse({"datasets": {}, "tracking": {"enabled": False}})
    large = save(tmp_path / "large", "x.png", picture((128, 128))).parent
    for i in range(9):
        save(large, f"{i}.png", picture((130, 128), seed=i))
    run_prepare(
        plain, PrepareJob(images=large, out=tmp_path / "plain" / "manifest.json", on_bad="fail")
    )
    own = load_manifest(tmp_path / "plain" / "manifest.json")
    assert own.resolutions == Photographs(folder="x").resolutions and own.flip is True


def test_the_plan_sees_that_a_folder_changed(folder):
    fingerprint = SOURCES["photographs"].fingerprint
    settings = Photographs(folder=str(folder))
    seen = {fingerprint(settings)}
    assert fingerprint(settings) in seen
    save(folder, "new/one.png")
    seen.add(fingerprint(settings))
    (folder / "new" / "one.png").rename(folder / "new" / "two.png")
    seen.add(fingerprint(settings))
    os.utime(folder / "new" / "two.png", ns=(1, 1))
    seen.add(fingerprint(settings))
    (folder / "new" / "two.png").unlink()
    seen.add(fingerprint(settings))
    assert len(seen) == 4, "without the new file all is as it was"
    assert fingerprint(Photographs(folder=str(folder / "none")))


def test_bad_files_stop_it_with_one_line_and_leave_nothing(folder, tmp_path, capsys):
    (folder / "a" / "03bad.png").write_bytes(b"nothing")
    (folder / "b" / "zz.jpg").write_bytes(b"")
    out = tmp_path / "data" / "manifest.json"
    with pytest.raises(InputError) as error:
        prepare(folder, out)
    text = str(error.value)
    assert str(folder / "a" / "03bad.png") in text and "2 of 32 files" in text
    assert "\n" not in text and "on_bad: skip" in text
    assert "zz.jpg" in capsys.readouterr().err
    assert not list(out.parent.glob("*.safetensors")) and not out.exists()


def test_skip_leaves_out_a_few_but_not_many(folder, tmp_path, monkeypatch):
    (folder / "a" / "03bad.png").write_bytes(b"nothing")
    out = tmp_path / "data" / "manifest.json"
    with pytest.raises(InputError, match="1 of 31 files"):
        prepare(folder, out, on_bad="skip")
    monkeypatch.setattr(images, "SKIPPABLE", 0.05)
    prepare(folder, out, on_bad="skip")
    found = load_manifest(out).provenance
    assert found == {"source": "photographs", "images": 30, "skipped": ["a/03bad.png"]}


def test_no_folder_and_empty_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        prepare(tmp_path / "none", tmp_path / "out" / "manifest.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        prepare(tmp_path / "empty", tmp_path / "out" / "manifest.json")


def test_first_frame_of_an_animation_counts(tmp_path):
    frames = [Image.new("RGB", (24, 24), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    (tmp_path / "x.gif").write_bytes(buffer.getvalue())
    assert decode(tmp_path / "x.gif", BACKGROUND).getpixel((0, 0)) == (255, 0, 0)


def test_what_lies_beside_photographs_is_left_out_and_named(folder, tmp_path, capsys):
    beside = ("dataset.json", "Thumbs.db", "desktop.ini", "a/README")
    for name in beside:
        (folder / name).write_text("not a photograph")
    out = tmp_path / "data" / "manifest.json"
    prepare(folder, out)
    assert load_manifest(out).provenance["images"] == 30
    said = next(line for line in capsys.readouterr().err.splitlines() if "left out" in line)
    assert all(name in said for name in beside)


def test_heic_without_its_plug_in_is_told_what_to_do(folder, tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("gof.run.images.import_module", missing)
    (folder / "a" / "phone.HEIC").write_bytes(b"....ftypheic")
    with pytest.raises(InputError, match=r"phone\.HEIC: HEIC is read with a plug-in: pip"):
        prepare(folder, tmp_path / "data" / "manifest.json")


def test_heic_is_read_where_its_plug_in_is(tmp_path):
    plug_in = pytest.importorskip("pillow_heif")
    plug_in.register_heif_opener()
    smooth = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    smooth.save(tmp_path / "phone.heic", quality=95)
    found = decode(tmp_path / "phone.heic", BACKGROUND)
    assert found.size == (64, 48)
    assert np.abs(np.asarray(found).astype(int) - np.asarray(smooth)).mean() < 4


def test_a_folder_that_cannot_be_read_is_named(folder, tmp_path, monkeypatch):
    def denied(top, onerror):
        onerror(PermissionError(13, "Permission denied", f"{top}/a"))
        return iter(())

    monkeypatch.setattr(os, "walk", denied)
    with pytest.raises(InputError, match=r"photographs/a: cannot be read \(Permission denied\)"):
        prepare(folder, tmp_path / "data" / "manifest.json")
