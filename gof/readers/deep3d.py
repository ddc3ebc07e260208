"""Deep3DFaceRecon's ResNet-50 (Deng et al., "Accurate 3D Face Reconstruction with Weakly-Supervised
Learning", 2019; the PyTorch release) as a face regressor on the coefficients of the Basel Face
Model. The weights are the user's.

The network sees a crop of 224 pixels whose place in the image is constant, that of images framed as
cGOF frames CelebA (method-cgof 2.5 and 3.3). Rows of the crop that lie below the image repeat its
edge; the released code of cGOF fills them with black.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gof.geometry.lighting import KERNEL, harmonics
from gof.geometry.meshes import sphere_directions
from gof.morphable.coefficients import BLOCKS, Coefficients, Statistics
from gof.morphable.model import MorphableModel
from gof.morphable.similarity import CENTRE, CROP, DISTANCE, FOCAL, FRAME, ZOOM, constant_crop
from gof.readers.interface import FaceRegressor, Reading
from gof.run.files import InputError
from gof.run.weights import read_weights
from gof.workarounds.torchvision import make_torchvision_importable

# identity, expression, albedo, angles, light, x and y, z
HEADS = (80, 64, 80, 3, 27, 2, 1)
SIZES = {"identity": 80, "expression": 64, "albedo": 80, "light": 27}
FEATURES = 2048
AMBIENT = 0.8  # light of a face whose 27 light coefficients are 0
EXPONENT = 2.2  # its light multiplies code values; about this power of it multiplies linear light
DIRECTIONS = 512  # in which light is compared
# Its nine light functions are those of `gof.geometry.lighting` times these.
_BAND1, _BAND2 = 2 * math.pi / math.sqrt(3), math.pi / math.sqrt(2)
SIGNED = (math.pi, -_BAND1, _BAND1, -_BAND1, _BAND2, -_BAND2, _BAND2, -_BAND2, _BAND2)


def crop(images: Tensor) -> Tensor:
    """The constant crop [n, c, 224, 224] of images [n, c, r, r]; what lies outside repeats the
    edge."""
    if images.shape[-1] > FRAME:
        images = F.interpolate(images, (FRAME, FRAME), mode="bilinear", antialias=True)
    place = (torch.arange(CROP, device=images.device) + 0.5 - CROP / 2) / ZOOM
    x = (place + CENTRE[0]) / (FRAME / 2) - 1
    down = (place + FRAME - CENTRE[1]) / (FRAME / 2) - 1
    grid = torch.stack(torch.meshgrid(x, down, indexing="xy"), -1).to(images.dtype)
    grid = grid.expand(len(images), -1, -1, -1)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def rotation(angles: Tensor) -> Tensor:
    """Rotations [n, 3, 3] of the head in the camera's frame, Rz Ry Rx, from angles [n, 3] about x,
    y, z in radians."""
    zero, one = torch.zeros_like(angles[:, 0]), torch.ones_like(angles[:, 0])
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(-1), angles.sin().unbind(-1)
    about_x = torch.stack([one, zero, zero, zero, cx, -sx, zero, sx, cx], -1).view(-1, 3, 3)
    about_y = torch.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], -1).view(-1, 3, 3)
    about_z = torch.stack([cz, -sz, zero, sz, cz, zero, zero, zero, one], -1).view(-1, 3, 3)
    return about_z @ about_y @ about_x


def camera_pose(turned: Tensor) -> Tensor:
    """Yaw and pitch [n, 2] of a camera that sees an upright head as a fixed one sees it turned by
    [n, 3, 3]; its roll is left out."""
    place = turned[:, 2]  # the camera's direction in the head's frame
    return torch.stack([torch.atan2(place[:, 0], place[:, 2]), place[:, 1].clamp(-1, 1).asin()], -1)


def on_plane(points: Tensor) -> Tensor:
    """Points [n, k, 3] before its camera -> the image plane of the whole image (x right, y up, the
    image spans [-1, 1])."""
    pixels = FOCAL * points[..., :2] / (DISTANCE - points[..., 2:])  # from the crop's centre
    return (pixels / ZOOM + points.new_tensor(CENTRE)) / (FRAME / 2) - 1


def shading(gamma: Tensor, normals: Tensor) -> Tensor:
    """What its light coefficients [n, 27] multiply code values by, at unit normals [n, k, 3] in the
    camera's frame: [n, k, 3]."""
    light = gamma.unflatten(-1, (3, 9))
    light = torch.cat([light[..., :1] + AMBIENT, light[..., 1:]], -1)
    scaled = harmonics(normals) * gamma.new_tensor(SIGNED)
    return scaled @ light.mT


def light_probe() -> tuple[Tensor, Tensor]:
    """Directions [d, 3] in which its light and ours are compared, and what makes coefficients of
    ours [9, d] of light seen there."""
    directions = torch.from_numpy(sphere_directions(DIRECTIONS)).float()
    return directions, torch.linalg.pinv(harmonics(directions) * torch.tensor(KERNEL))


def linear_light(gamma: Tensor, turned: Tensor, probe: tuple[Tensor, Tensor]) -> Tensor:
    """Its light coefficients [n, 27] on heads turned by [n, 3, 3] as ours, in the head's frame and
    linear light: [n, 27]."""
    directions, to_light = probe
    normals = directions @ turned.mT
    # Where its light would be negative no surface is seen; a floor keeps the power's gradient.
    shown = shading(gamma, normals).clamp_min(1e-3) ** EXPONENT
    return (to_light @ shown).flatten(1)


class Deep3D(FaceRegressor):
    """The network with what turns its coefficients into a Reading. `marks` [1 + 80 + 64, 68, 3] are
    the landmarks of the mean face and of the components, in decimetres about the model's origin."""

    marks: Tensor
    directions: Tensor
    to_light: Tensor
    mean: Tensor
    unmix: Tensor

    def __init__(self) -> None:
        super().__init__()
        make_torchvision_importable()
        from torchvision.models import resnet50

        self.backbone = resnet50(weights=None)
        self.backbone.fc = nn.Identity()
        self.final_layers = nn.ModuleList(nn.Conv2d(FEATURES, size, 1) for size in HEADS)
        total = sum(SIZES.values())
        self.register_buffer(
            "marks", torch.zeros(1 + SIZES["identity"] + SIZES["expression"], 68, 3)
        )
        self.register_buffer("mean", torch.zeros(total))
        self.register_buffer("unmix", torch.eye(total))
        directions, to_light = light_probe()
        self.register_buffer("directions", directions, persistent=False)
        self.register_buffer("to_light", to_light, persistent=False)

    @torch.no_grad()
    def adapt(self, model: MorphableModel, statistics: Statistics, fov_deg: float) -> None:
        """Take landmarks and the whitening of coefficients from the model, in the world of a camera
        with this angle of view, and its statistics. Raises InputError where they are not of the
        Basel Face Model."""
        sizes = (len(model.identity), len(model.expression), model.palette.size)
        if sizes != tuple(SIZES.values())[:3] or statistics.sizes != SIZES:
            raise InputError(
                f"deep3d: the head model has {sizes} components (identity, expression, albedo), not"
                " the Basel Face Model's (80, 64, 80): build it with gof bfm, or unset deep3d"
            )
        home = constant_crop(fov_deg).inverse()
        moves = torch.cat([model.identity, model.expression])[:, model.landmarks]
        mean = home.apply(model.mean[model.landmarks])
        self.marks.copy_(torch.cat([mean[None], home.turn(moves)]))
        self.mean.copy_(torch.cat([statistics.mean[name] for name in BLOCKS]))
        self.unmix.copy_(torch.block_diag(*(statistics.factor[n].inverse().mT for n in BLOCKS)))

    def features(self, images: Tensor) -> list[Tensor]:
        """Identity, expression, albedo, angles, light and translation [n, ...] as it gives them, of
        images in [-1, 1]."""
        seen = (crop(images) + 1) / 2
        x = self.backbone(seen)[..., None, None]
        *parts, across, along = (layer(x).flatten(1) for layer in self.final_layers)
        return [*parts, torch.cat([across, along], -1)]

    def forward(self, images: Tensor) -> Reading:
        """See `FaceRegressor`."""
        identity, expression, albedo, angles, gamma, shift = self.features(images)
        turned = rotation(angles)
        amounts = torch.cat([torch.ones_like(identity[:, :1]), identity, expression], -1)
        points = (amounts @ self.marks.flatten(1)).unflatten(-1, (68, 3))
        landmarks = on_plane(points @ turned.mT + shift[:, None])
        light = linear_light(gamma, turned, (self.directions, self.to_light))
        found = Coefficients(identity, expression, albedo, light).joined()
        return Reading((found - self.mean) @ self.unmix, camera_pose(turned), landmarks)


def load_deep3d(
    weights: Path, model: MorphableModel, statistics: Statistics, fov_deg: float
) -> Deep3D:
    """The network with the user's weights (epoch_20.pth), frozen; see `Deep3D.adapt`. Raises
    InputError for a file that is missing, damaged, holds anything but tensors and numbers, or lacks
    a layer."""
    network = Deep3D()
    own = dict(network.named_parameters()) | dict(network.named_buffers())
    wanted = {name for name in own if name.startswith(("backbone.", "final_layers."))}
    given = _read(weights)
    for name in sorted(wanted):
        if name not in given and name.endswith("num_batches_tracked"):
            given[name] = own[name]  # counts batches of its training; older files have none
        if name not in given or given[name].shape != own[name].shape:
            shape = tuple(own[name].shape)
            raise InputError(
                f"{weights}: net_recon.{name} of shape {shape} is missing: not the ResNet-50 of"
                " Deep3DFaceRecon_pytorch"
            )
    network.load_state_dict({name: given[name] for name in wanted}, strict=False)
    network.adapt(model, statistics, fov_deg)
    return network.eval().requires_grad_(False)


def _read(weights: Path) -> dict[str, Tensor]:
    if not weights.is_file():
        raise InputError(
            f"{weights}: no such file: put Deep3DFaceRecon_pytorch's epoch_20.pth there"
        )
    given = read_weights(weights).get("net_recon")
    if not isinstance(given, dict):
        raise InputError(f"{weights}: holds no net_recon: not a Deep3DFaceRecon checkpoint")
    return given
