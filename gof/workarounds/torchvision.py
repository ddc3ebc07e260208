"""torchvision beside a CPU build of torch.

Its wheels link CUDA libraries, its compiled operators do not load, and then `import torchvision`
fails because it describes operators that nobody declared ("operator torchvision::nms does not
exist"). pytorch-fid and face-alignment need only its Python part.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def make_torchvision_importable() -> tuple[torch.library.Library, ...]:
    """Declare the operators that `import torchvision` describes, if its compiled library cannot
    provide them.

    Call it before importing torchvision or a package that does. Does nothing where the compiled
    operators load or torchvision is absent. The declared operators have no kernel: torchvision says
    so when one is called. Returns what must stay alive for the declarations to hold.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None or _loads(Path(spec.origin).parent):
        return ()
    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    return (library,)


def _loads(folder: Path) -> bool:
    """Whether the compiled operators of the torchvision in `folder` can be loaded."""
    for file in folder.glob("_C*"):
        try:
            torch.ops.load_library(str(file))
        except (OSError, ImportError):
            continue
        return True
    return False
