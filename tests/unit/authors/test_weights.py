"""`gof import`: what it writes, and that all verbs take it."""

import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import gof.cli.main as cli
from gof.models import pretrained
from gof.run.files import InputError
from gof.run.network_file import write_description
from tests.unit.authors import stand_ins


@pytest.fixture(scope="module")
def imported(tmp_path_factory, tensors):
    folder = tmp_path_factory.mktemp("weights")
    weights = stand_ins.write_ema(folder / "ema.pth", tensors)
    out = folder / "imported"
    cli.main(["import", "gof", "--weights", f"{weights}", "--dataset", "bfm", "--out", f"{out}/"])
    return out


def test_the_description_holds_all_a_picture_depends_on(imported) -> None:
    info = yaml.safe_load((imported / "generator.yaml").read_text())
    assert info["compat"] == "released"
    assert info["released"]["last_back"] is True and info["half_width"] == 0.02
    shape = info["networks"]["start_shape"]
    assert (shape["radius"], shape["sharpness"]) == (0.0, 0.0)
    assert info["networks"]["field"]["logit_scale"] == 1.0 and info["background"] == [-1.0] * 3
    sampling = info["trained_as"]["sampling"]
    assert [sampling[k] for k in ("coarse", "surface", "fine", "secant")] == [18, 24, 6, 4]
    record = json.loads((imported / "import.json").read_text())
    assert record["numbers"] == {"tensors": 30, "parameters": 1_910_788}
    assert record["inputs"]["weights"] == info["imported"]["sha256"]


def test_seed_k_is_the_authors_seed_k(imported) -> None:
    model, before = pretrained.load(imported / "generator.yaml"), torch.random.get_rng_state()
    found = model.heads([5, 0])
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(found, torch.cat([stand_ins.latent_of(5), stand_ins.latent_of(0)]))


def test_seeds_of_a_gpu_need_none(tmp_path, tensors) -> None:
    torch.save(tensors, tmp_path / "generator.pth")
    words = ["--weights", f"{tmp_path}/generator.pth", "--dataset", "celeba", "--draws", "gpu"]
    cli.main(["import", "gof", *words, "--out", f"{tmp_path}/out/"])
    found = pretrained.load(tmp_path / "out" / "generator.yaml").heads([0])
    assert found.shape == (1, 256) and found.dtype == torch.float32
    assert found[0, :3].tolist() == pytest.approx([-0.92466259, -0.42534415, -2.6438457])


def test_verbs_take_it(imported, tmp_path) -> None:
    generator = ["--generator", str(imported / "generator.yaml")]
    pictures = ["--resolution", "16", "--truncation", "1"]
    cli.main(["render", *generator, "--seeds", "0", *pictures, "--out", f"{tmp_path}/heads/"])
    seen = np.asarray(Image.open(tmp_path / "heads" / "seed0000.png"))
    assert seen.shape == (16, 16, 3) and seen.std() > 10
    small = '{"meshes": {"resolution": 24, "truncation": 1.0}}'
    cli.main(["mesh", *generator, "--config", small, "--out", f"{tmp_path}/head.ply"])
    assert (tmp_path / "head.ply").read_bytes().startswith(b"ply")
    few = ["--frames", "2", "--seeds", "0", "--out", f"{tmp_path}/heads.gif"]
    cli.main(["video", *generator, *pictures, *few])
    assert (tmp_path / "heads.gif").exists()


def test_it_says_what_it_is(imported, capsys) -> None:
    cli.main(["info", str(imported / "generator.yaml")])
    said = capsys.readouterr().out
    assert "gof, film_siren 8 x 256, occupancy" in said and "data set bfm" in said
    assert "by the rules of the authors' code" in said


def test_metrics_are_measured_as_theirs_were(tmp_path, tensors) -> None:
    torch.save(tensors, tmp_path / "generator.pth")
    words = ["--weights", f"{tmp_path}/generator.pth", "--dataset", "celeba"]
    cli.main(["import", "gof", *words, "--protocol", "metrics", "--out", f"{tmp_path}/out/"])
    info = yaml.safe_load((tmp_path / "out" / "generator.yaml").read_text())
    assert info["released"]["last_back"] is False
    assert info["trained_as"]["sampling"]["coarse"] == 9


def test_bad_weights_leave_nothing_behind(tmp_path, capsys) -> None:
    (tmp_path / "ema.pth").write_text("text")
    words = ["--weights", f"{tmp_path}/ema.pth", "--dataset", "bfm", "--out", f"{tmp_path}/out/"]
    with pytest.raises(SystemExit) as end:
        cli.main(["import", "gof", *words])
    said = capsys.readouterr().err
    assert end.value.code == 3 and said.startswith("gof: error: ") and said.count("\n") == 1
    assert [path.name for path in (tmp_path / "out").glob("*generator*")] == []


def test_another_compat_is_refused(imported, tmp_path) -> None:
    info = yaml.safe_load((imported / "generator.yaml").read_text())
    write_description(tmp_path / "generator.yaml", info | {"compat": "other"})
    with pytest.raises(InputError, match="compat 'other'"):
        pretrained.load(tmp_path / "generator.yaml")
