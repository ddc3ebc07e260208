"""What reading costs with many images: memory of a process, images a second, cold and warm.

    python tests/scale/reader.py FOLDER [IMAGES]

writes IMAGES (200,000) images of random bytes at 128 px into FOLDER (9.8 GB; removed at the end),
asks for batches in the order in which training does, and prints what it measured. The limits are
500 MiB a process and 2,000 images a second for each core; it fails beyond them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SIZE, SHARD, BATCH = 128, 500, 32
BATCHES = 400
LIMIT_MIB, LIMIT_RATE = 500, 2000

READ = """
import json, sys, time
from pathlib import Path
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
import torch
torch.set_num_threads(1)
import gof.training.stage
imported = peak()
from gof.data.manifest import load_manifest
from gof.data.reader import Reader
from gof.training.reals import Reals
path, size, batch, first, count, cold = sys.argv[1], *map(int, sys.argv[2:])
started = time.perf_counter()
reader = Reader(load_manifest(Path(path)), "train")
if not cold:
    reader.verify()
verified = time.perf_counter() - started
reals = Reals(lambda numbers: reader.images(size, numbers), len(reader), seed=0, flip=False)
start, used = time.perf_counter(), time.process_time()
for step in range(first, first + count):
    numbers = reals.image_numbers(list(range(step * batch, (step + 1) * batch)))
    images = reader.images(size, numbers)
    assert images.shape == (batch, 3, size, size)
wall, cpu = time.perf_counter() - start, time.process_time() - used
print(json.dumps({
    "verify_s": verified, "wall_rate": count * batch / wall, "core_rate": count * batch / cpu,
    "peak_mib": peak(), "imported_mib": imported,
}))
"""


def write(folder: Path, count: int) -> Path:
    """A data set of random images, shard by shard."""
    from gof.data.manifest import Manifest, Split, write_manifest
    from gof.data.shards import write_shard
    from gof.geometry.settings import Camera

    draw, shards = np.random.default_rng(0), []
    for k in range(-(-count // SHARD)):
        own = min(SHARD, count - k * SHARD)
        images = np.frombuffer(draw.bytes(own * SIZE * SIZE * 3), np.uint8)
        arrays = {f"image_{SIZE}": images.reshape(own, SIZE, SIZE, 3)}
        shards.append(write_shard(folder / f"train-{k:03d}", arrays))
    path = folder / "manifest.json"
    split = Split(count, tuple(shards))
    write_manifest(Manifest(path, "noise", Camera(), (1.0, 1.0, 1.0), (SIZE,), {"train": split}))
    return path


def forget(folder: Path) -> None:
    """Have the system drop what it holds of the shards."""
    os.sync()
    for path in folder.glob("*.safetensors"):
        with open(path, "rb") as handle:
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(manifest: Path, size: int, first: int, cold: bool) -> dict[str, float]:
    """Read in a process of its own, in the run `scale`; cold: without a look at the hashes."""
    numbers = [size, BATCH, first, BATCHES, int(cold)]
    call = [sys.executable, "-c", READ, str(manifest), *map(str, numbers)]
    done = subprocess.run(
        call, env=os.environ | {"GOF_RUN": "scale"}, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def main(folder: Path, count: int) -> int:
    """Write, measure, remove; 1 where a limit is passed."""
    folder = folder / "reader-at-scale"
    folder.mkdir(parents=True)
    (folder / ".gof").touch()
    try:
        started = time.perf_counter()
        manifest = write(folder, count)
        held = sum(path.stat().st_size for path in folder.iterdir()) / 1e9
        print(f"wrote {count:,} images, {held:.2f} GB in {time.perf_counter() - started:.0f} s")
        found = {"first of a run": measure(manifest, SIZE, 0, cold=False)}
        forget(folder)
        found["cold"] = measure(manifest, SIZE, 1000, cold=True)
        found["same again, warm"] = measure(manifest, SIZE, 1000, cold=False)
        found["warm, averaged to 64 px"] = measure(manifest, SIZE // 2, 1000, cold=False)
    finally:
        shutil.rmtree(folder)
    for name, one in found.items():
        print(
            f"{name}: hashes {one['verify_s']:.2f} s; {one['core_rate']:,.0f} images a second of a"
            f" core ({one['wall_rate']:,.0f} by the clock); at most {one['peak_mib']:.0f} MiB,"
            f" {one['peak_mib'] - one['imported_mib']:.0f} MiB beside the imports"
        )
    warm = found["same again, warm"]
    return int(warm["peak_mib"] > LIMIT_MIB or warm["core_rate"] < LIMIT_RATE)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200_000))
