import json
from types import SimpleNamespace

import pytest
import torch

from gof.data.manifest import load_manifest
from gof.experiment.config import Config
from gof.metrics import control_context
from gof.metrics.context import Context
from gof.metrics.evaluate import EvaluateJob, run_evaluate
from gof.morphable.coefficients import BLOCKS
from gof.run.files import InputError
from tests.unit.metrics.obeying import METRICS

CONFIG = Config.parse({"metrics": METRICS, "tracking": {"enabled": False}}, "test")


@pytest.fixture
def files(obedience, tmp_path, monkeypatch):
    """Files of `obedience` with a judge that reads nonsense, but of the right shapes."""

    def nonsense(images: torch.Tensor) -> SimpleNamespace:
        mean = images.mean((1, 2, 3))[:, None]
        flat = images.flatten(1)
        marks = flat[:, :136].view(-1, 68, 2) * 0.1
        return SimpleNamespace(z=flat[:, :34] + mean, pose=flat[:, :2], landmarks=marks)

    monkeypatch.setattr(control_context, "load_regressor", lambda path: nonsense)
    judged = tmp_path / "judge.yaml"
    judged.write_text("")
    return {
        "head_model": obedience.head_model,
        "statistics": obedience.statistics,
        "judge": judged,
    }


@pytest.mark.parametrize("metric", ["disentanglement", "shape", "landmarks"])
def test_every_metric_of_a_generator_and_of_the_references(obedience, files, tmp_path, metric):
    def rows(generator, control):
        out = tmp_path / f"{metric}.json"
        reference = generator is None
        run_evaluate(
            CONFIG,
            EvaluateJob(
                metric=metric,
                data=obedience.data,
                out=out,
                generator=generator,
                reference=reference,
                **control,
            ),
        )
        return json.loads(out.read_text())["numbers"]["rows"]

    own = rows(obedience.generator("cgof"), files)
    assert {row["model"] for row in own} == {"cgof", "cgof_truncated"}
    assert own == rows(obedience.generator("cgof"), files)
    for row in own:
        truncated = row["model"] == "cgof_truncated"
        assert ("psi 0.7" in row["protocol"]) == truncated
        assert "2 evaluation seeds" in row["protocol"]
    floor = {**files, "floor": obedience.generator("gof")}
    assert {row["model"] for row in rows(None, floor)} == {"random_pairing", "renders"}
    assert {row["model"] for row in rows(None, files)} == {"renders"}


def test_what_cannot_be_measured_is_named(obedience, files, tmp_path):
    out = tmp_path / "x.json"

    def wanted(metric, generator, control):
        return EvaluateJob(
            metric=metric, data=obedience.data, out=out, generator=generator, **control
        )

    with pytest.raises(InputError, match="gof is no conditional generator"):
        run_evaluate(CONFIG, wanted("shape", obedience.generator("gof"), files))
    with pytest.raises(InputError, match="--head-model, --statistics: needed"):
        run_evaluate(CONFIG, wanted("shape", obedience.generator("cgof"), {}))
    no_judge = {name: files[name] for name in ("head_model", "statistics")}
    with pytest.raises(InputError, match="--judge: needed"):
        run_evaluate(CONFIG, wanted("landmarks", obedience.generator("cgof"), no_judge))
    run_evaluate(CONFIG, wanted("shape", obedience.generator("cgof"), no_judge))
    assert out.exists()


def test_factors_are_blocks_of_the_latent_and_of_what_is_read(obedience):
    assert set(control_context.READ_IN) | {"pose"} == set(control_context.BLOCKS_OF)
    assert set(control_context.READ_IN.values()) < set(BLOCKS)
    pair = {"head_model": obedience.head_model, "statistics": obedience.statistics}
    context = Context(CONFIG, load_manifest(obedience.data), "cpu", reference=True, files=pair)
    made = control_context.control_context(context, 0.7)
    assert [source.name for source in made.sources] == ["renders"]
    assert made.meshes.layout.free == 0
    with pytest.raises(InputError, match="--judge: needed"):
        made.read(torch.zeros(1, 3, 16, 16))
