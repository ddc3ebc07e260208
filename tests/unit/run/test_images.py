"""The opener of images: what it does not open."""

import io
import os
import resource

import pytest
from PIL import Image

from gof.run import images
from gof.run.images import BadImage, named_like_one, open_image


def encoded(kind: str, size: tuple[int, int] = (16, 16), **options) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", images.FORMATS)
def test_formats_of_photographs_are_opened(tmp_path, kind) -> None:
    content = encoded(kind)
    (tmp_path / "x").write_bytes(content)
    for source in (content, tmp_path / "x"):
        image = open_image(source)
        assert image.size == (16, 16) and image.convert("RGB").getpixel((3, 3))[0] > 240


@pytest.mark.parametrize("kind", ["ICO", "ICNS", "EPS", "PCX", "TGA", "SGI", "DDS"])
def test_others_are_not_whatever_they_are_called(tmp_path, kind) -> None:
    sizes = {"ICO": {"sizes": [(16, 16)]}}.get(kind, {})
    path = tmp_path / "photograph.jpg"
    path.write_bytes(encoded(kind, (64, 64), **sizes))
    with pytest.raises(BadImage, match="not an image"):
        open_image(path)


def test_an_icon_of_many_images_takes_no_memory(tmp_path) -> None:
    path = tmp_path / "photograph.png"
    path.write_bytes(encoded("ICNS", (1024, 1024)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadImage):
        open_image(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_a_large_file_is_refused_by_its_size(tmp_path, monkeypatch) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encoded("PNG"))
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    with pytest.raises(BadImage, match="more than 10"):
        open_image(path)


def test_pipes_folders_and_nothing_are_named_in_a_word(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for name, said in (("pipe.png", "no regular file"), ("none.png", "no such file")):
        with pytest.raises(BadImage, match=f"^{said}$"):
            open_image(tmp_path / name)


def test_names_tell_images_from_what_lies_beside_them(tmp_path) -> None:
    yes = ("a.jpg", "b.JPEG", "c.png", "d.webp", "e.tif", "f.bmp")
    no = ("dataset.json", "Thumbs.db", "desktop.ini", "README", "x.ico", "y.eps", "z.svg")
    assert all(named_like_one(tmp_path / name) for name in yes)
    assert not any(named_like_one(tmp_path / name) for name in no)
