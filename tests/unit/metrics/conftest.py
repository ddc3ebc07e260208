import pytest

from gof.data.manifest import load_manifest
from gof.experiment.config import Config
from gof.metrics import disentanglement, landmarks, shape
from gof.metrics.context import Context
from gof.metrics.control_context import ControlContext
from tests.unit.metrics.obeying import METRICS, Telepath, judge

MEASURES = {
    "disentanglement": disentanglement.scores,
    "landmarks": landmarks.scores,
    "shape": shape.scores,
}


@pytest.fixture
def scores(obedience):
    """The numbers of a metric of control, of these sources or of one that obeys."""

    def found(name, *sources, metrics=METRICS):
        meshes = obedience.meshes()
        config = Config.parse({"metrics": metrics, "tracking": {"enabled": False}}, "test")
        context = Context(config, load_manifest(obedience.data), "cpu")
        control = ControlContext(context, meshes, tuple(sources) or (Telepath(meshes),), judge)
        return MEASURES[name](control, config.metrics.section(name))

    return found
