"""The one opener of images: of the formats that photographs come in, within limits that are known
before anything is decoded."""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from gof.run.files import InputError, regular

# None of these runs another program or holds images inside images.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
APPLE = (".heic", ".heif")  # read where the package pillow-heif is installed
MAX_PIXELS = 50_000_000
MAX_BYTES = 200_000_000


class BadImage(Exception):
    """A file that is no usable image; the text says why."""


def open_image(source: Path | bytes) -> Image.Image:
    """A whole image, decoded to its last byte and upright. Raises BadImage."""
    given = io.BytesIO(source) if isinstance(source, bytes) else _file(source)
    try:
        with Image.open(given, formats=_formats(source)) as image:
            if image.width * image.height > MAX_PIXELS:
                size = f"{image.width} x {image.height} pixels"
                raise BadImage(f"{size}, more than {MAX_PIXELS:,} in all")
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return image
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage("not an image") from None
    except Exception as error:  # decoders raise many kinds for damaged files
        raise BadImage(" ".join(str(error).split())[:120] or type(error).__name__) from None


def _formats(source: Path | bytes) -> tuple[str, ...]:
    if not isinstance(source, Path) or source.suffix.lower() not in APPLE:
        return FORMATS
    try:
        pillow_heif = import_module("pillow_heif")
    except ImportError:
        raise BadImage(
            "HEIC is read with a plug-in: pip install pillow-heif, or save it as JPEG or PNG"
        ) from None
    pillow_heif.register_heif_opener()
    return (*FORMATS, "HEIF")


def _file(path: Path) -> Path:
    try:
        size = regular(path).stat().st_size
    except InputError as error:
        raise BadImage(str(error).removeprefix(f"{path}: ").split(":")[0]) from None
    if size > MAX_BYTES:
        raise BadImage(f"{size:,} bytes, more than {MAX_BYTES:,}")
    return path


def named_like_one(path: Path) -> bool:
    """Whether a file's name ends as those of images do."""
    Image.init()
    if path.suffix.lower() in APPLE:
        return True
    return Image.EXTENSION.get(path.suffix.lower()) in (*FORMATS, "MPO")  # JPEG reads these
