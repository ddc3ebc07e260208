"""Small archives with the layouts of the published sets."""

import hashlib
import io
import json
import zipfile

import numpy as np
from PIL import Image

COUNT = 24


def encoded(pixels, kind="PNG", mode=None):
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode).save(buffer, kind, quality=95)
    return buffer.getvalue()


def picture(number, width, height, channels=3):
    """Smooth, and another one for every number."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    waves = [np.sin(3 * x + number), np.cos(4 * y - number), np.sin(2 * (x + y) + 2 * number), x]
    return (127.5 + 127.5 * np.stack(waves[:channels], -1)).astype(np.uint8)


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def celeba():
    """One image in the partition is not among the images, as the issue of a broken copy is."""
    images, partition, landmarks = {}, [], [str(COUNT), "lefteye_x lefteye_y ..."]
    for k in range(1, COUNT + 1):
        name = f"{k:06d}.jpg"
        images[f"img_align_celeba/{name}"] = encoded(picture(k, 178, 218), "JPEG")
        partition.append(f"{name} {0 if k <= 16 else 1 if k <= 20 else 2}")
        landmarks.append(f"{name}  69 109 106 113 77 142 73 152 108 {150 + k % 3}")
    partition.append("000099.jpg 0")
    landmarks.append("000099.jpg  69 109 106 113 77 142 73 152 108 154")
    return {
        "img_align_celeba.zip": zipped(images),
        "list_eval_partition.txt": "\n".join(partition).encode(),
        "list_landmarks_align_celeba.txt": "\n".join(landmarks).encode(),
    }


def cats():
    """In two archives; one annotation is missing, one is broken, one head is too small."""
    halves = [{}, {}]
    for k in range(COUNT + 3):
        name = f"CAT_0{k % 7}/{k:08d}_{k:03d}.jpg"
        own = halves[k % 2]
        own[name] = encoded(picture(k, 300, 260), "JPEG")
        size = 0.2 if k == COUNT + 2 else 1
        points = np.array([110, 120, 180, 122, 145, 170, 80, 90, 90, 40, 120, 80, 170, 80, 200])
        points = [*points, 45, 215, 95]
        text = " ".join(map(str, [9, *(round(size * p) for p in points)]))
        if k != COUNT:
            own[f"{name}.cat"] = "9 1 2" if k == COUNT + 1 else f"{text} "
    return {f"CAT_DATASET_0{k + 1}.zip": zipped(half) for k, half in enumerate(halves)}


def carla():
    images, poses = {}, {}
    for k in range(COUNT):
        pixels = picture(k, 160, 160, 4)
        pixels[..., 3] = 255 * (np.hypot(*np.mgrid[-80:80, -80:80]) < 60)
        images[f"carla/{k:06d}.png"] = encoded(pixels, mode="RGBA")
        yaw, pitch = k / COUNT * 6 - 3, 0.1 + k / COUNT
        place = 10 * np.array(
            [np.cos(pitch) * np.sin(yaw), -np.cos(pitch) * np.cos(yaw), np.sin(pitch)]
        )
        matrix = np.concatenate([np.eye(3), place[:, None]], 1)
        buffer = io.BytesIO()
        np.save(buffer, matrix)
        poses[f"{k:06d}_extrinsics.npy"] = buffer.getvalue()
    return {"carla.zip": zipped(images), "carla_poses.zip": zipped(poses)}


def synface():
    """A ball before a black background; one pair is without its depth, which is more than 1 %."""
    files = {}
    rows, columns = np.mgrid[-90:90, -90:90]
    ball = np.hypot(rows, columns) < 60
    grey = np.where(ball, 200 - np.hypot(rows, columns), 0).astype(np.uint8)
    for split, count in (("train", 16), ("val", 4), ("test", 4)):
        for k in range(count):
            image = np.where(ball[..., None], picture(k, 180, 180), 0).astype(np.uint8)
            files[f"synface/{split}/image/{k:06d}_image_1_1.png"] = encoded(image)
            files[f"synface/{split}/depth/{k:06d}_depth_1_1.png"] = encoded(grey)
    return {"synface.zip": zipped(files)}


def ffhq(folder):
    """The user's copy, in a folder, and the list; one image was taken back."""
    entries = {}
    for k in range(COUNT):
        number = k if k < 16 else 60_000 + k if k < 20 else 65_000 + k
        name = f"thumbnails128x128/{number // 1000 * 1000:05d}/{number:05d}.png"
        content = encoded(picture(k, 128, 128))
        if k != 3:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        own = {"file_path": name, "file_md5": hashlib.md5(content).hexdigest()}
        large = {"file_path": name.replace("thumbnails128x128", "images1024x1024"), "file_md5": ""}
        entries[str(number)] = {"category": "training", "thumbnail": own, "image": large}
    return {"ffhq-dataset-v2.json": json.dumps(entries).encode()}


ARCHIVES = {"celeba": celeba, "cats": cats, "carla": carla, "synface": synface}


def served(files, address):
    """Entries of a registry of assets for files that a server gives."""
    from gof.data.assets import assets

    entries = {}
    for name, asset in assets().items():
        if asset.file in files:
            content = files[asset.file]
            entries[name] = {
                "file": asset.file,
                "holds": asset.holds,
                "licence": asset.licence,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest() if asset.sha256 else "",
                "from": [f"{address}/good/{asset.file}"],
            }
    return entries
