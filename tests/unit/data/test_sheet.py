import numpy as np
import torch
from PIL import Image

from gof.data.manifest import load_manifest
from gof.data.reader import Images, Reader, load_images
from gof.data.sheet import SHOWN, write_sheet
from gof.geometry.images import stacked


def test_rows_are_stacked_and_shorter_ones_end_in_white() -> None:
    long = np.arange(3 * 2 * 2 * 3, dtype=np.uint8).reshape(3, 2, 2, 3)
    page = stacked([long, long[:1] + 100])
    assert page.shape == (4, 6, 3)
    for k in range(3):
        np.testing.assert_array_equal(page[:2, 2 * k : 2 * k + 2], long[k])
    np.testing.assert_array_equal(page[2:, :2], long[0] + 100)
    assert (page[2:, 2:] == 255).all()


def test_near_is_bright_normals_are_colours_and_what_stands_still_is_grey() -> None:
    depth = SHOWN["depth"](np.array([[[0, 100], [200, 300]]], np.uint16))
    assert depth.tolist() == [[[[0] * 3, [255] * 3], [[155] * 3, [55] * 3]]]
    normal = SHOWN["normal"](np.array([[[[0, 0, 0], [127, 0, -127]]]], np.int8))
    assert normal.tolist() == [[[[0, 0, 0], [255, 128, 1]]]]
    flow = SHOWN["flow"](np.array([[[[0.0, 0.01, -0.01]]]], np.float16))
    assert flow[0, 0, 0].tolist() == [127, 255, 0]


def test_a_sheet_shows_the_first_training_images_over_what_is_stored_of_them(
    tiny_heads, tmp_path
) -> None:
    manifest, out = load_manifest(tiny_heads), tmp_path / "sheet.png"
    size = max(manifest.resolutions)
    write_sheet(manifest, out, ("image", "depth"), 2)
    stored = Reader(manifest, "train").read([f"image_{size}", f"depth_{size}"], [0, 1])
    with Image.open(out) as opened:
        page = np.asarray(opened)
    assert page.shape == (2 * size, 2 * size, 3)
    np.testing.assert_array_equal(page[:size, size:], stored[f"image_{size}"][1])
    seen = stored[f"depth_{size}"][1] > 0
    assert ((page[size:, size:].any(-1)) == seen).all() and seen.any()


def test_images_of_several_readers_split_as_one_tensor_would(tiny_heads) -> None:
    manifest = load_manifest(tiny_heads)
    names = ("train", "test")
    whole = torch.cat([load_images(manifest, name, 16) for name in names])
    readers = [Reader(manifest, name) for name in names]
    for numbers in (None, [len(whole) - 1, 0, 1, len(whole) - 2, 0]):
        images = Images(readers, 16, numbers)
        wanted = whole if numbers is None else whole[numbers]
        assert len(images) == len(wanted)
        for found, part in zip(images.split(3), wanted.split(3), strict=True):
            assert torch.equal(found, part)
