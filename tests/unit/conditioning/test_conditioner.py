from dataclasses import replace

import pytest
import torch

from gof.conditioning import conditioner as conditioners
from gof.conditioning import terms
from gof.conditioning.conditioner import FaceFiles
from gof.data.ahead import Ahead
from gof.data.manifest import load_manifest
from gof.geometry.settings import Camera
from gof.losses.settings import Term
from gof.morphable.coefficients import BLOCKS, Statistics
from gof.run import rng
from gof.run.files import InputError
from gof.training.schedule import plan
from gof.training.task import draw_samples, make_fakes
from tests.unit.toy_training import SIZES, Reader, write_pool

CPU = torch.device("cpu")
ROWS = [8, 9, 10, 11]
TERMS = {
    "geometric",
    "colour",
    "reconstruction",
    "distance",
    "background",
    "depth_smoothness",
    "landmarks_2d",
    "landmarks_3d",
    "warping",
}


def fakes_of(tiny, stage=1, step=6):
    task, state = tiny.task(), tiny.state()
    now = plan(tiny.model, stage, step)
    return state, task, now, make_fakes(state, task, now, ROWS, "generator")


def changed(tiny, **settings):
    """The toy with other settings of its conditions."""
    conditions = tiny.conditioner.conditions.model_copy(update=settings)
    tiny.model = tiny.model.model_copy(update={"conditions": conditions})
    tiny.conditioner = replace(tiny.conditioner, conditions=conditions)
    return tiny


def test_the_latent_holds_the_condition_and_the_camera_its_pose(tiny_faces) -> None:
    drawn = draw_samples(tiny_faces.task(), ROWS, "generator")
    condition = tiny_faces.conditioner.pool(ROWS, "generator", CPU)
    layout = tiny_faces.conditioner.layout
    assert torch.equal(layout.face(drawn.latents), condition.face)
    assert torch.equal(layout.loose(drawn.latents), rng.streams(3, "generator", ROWS).normal(2))
    assert torch.equal(drawn.poses, condition.poses)
    assert torch.equal(drawn.condition.flow, condition.flow)
    assert tiny_faces.conditioner.blocks == layout.sizes
    assert sum(tiny_faces.conditioner.blocks.values()) == drawn.latents.shape[1]


def test_other_samples_and_updates_have_other_latents(tiny_faces) -> None:
    task = tiny_faces.task()
    here, there = (draw_samples(task, rows, "generator").latents for rows in ([0, 1], [2, 3]))
    other = draw_samples(task, [0, 1], "discriminator").latents
    assert not torch.equal(here, there) and not torch.equal(here, other)


@pytest.mark.parametrize(("start", "guided"), [(0, True), (2, False), (None, False)])
def test_samples_lie_around_the_mesh_from_a_stage_on(
    tiny_faces, start, guided, monkeypatch
) -> None:
    def at(read, depth):
        return read | {"depth": torch.full_like(read["depth"], depth)}

    tiny = changed(tiny_faces, guided_from=start)
    # The meshes lie where the untrained field has no surface: only a guide leads there.
    pool = tiny.conditioner.pool
    load = pool._load
    monkeypatch.setattr(pool, "ahead", Ahead(lambda batch: at(load(batch), 0.9)))
    task, state = tiny.task(), tiny.state()
    now = replace(plan(tiny.model, 1, 6), half_width=0.01)
    out = make_fakes(state, task, now, ROWS, "generator").out
    near = ((out.t - 0.9).abs() <= 0.01 + 1e-6).sum(-1) >= tiny.model.sampling.surface
    assert near.all() if guided else near.float().mean() < 0.3


def test_every_term_is_computed_and_only_those_with_weight(tiny_faces) -> None:
    state, task, now, fakes = fakes_of(tiny_faces)
    found = tiny_faces.conditioner.terms(state.generator, fakes, now, task.camera)
    assert found.keys() == TERMS
    assert all(torch.isfinite(value) for _, value in found.values())
    few = plan(tiny_faces.model, 0, 0)
    found = tiny_faces.conditioner.terms(state.generator, fakes, few, task.camera)
    assert found.keys() == {"geometric", "colour"}


@pytest.mark.parametrize("name", sorted(TERMS))
def test_a_term_counts_with_its_weight_and_comes_alone(tiny_faces, name) -> None:
    none = dict.fromkeys(TERMS, Term())
    weights = {"distance": 7.0, "warping": 3.0}
    own = Term(weight=weights.get(name, 2.0), from_stage=1, ramp_steps=4)
    tiny = changed(tiny_faces, **none | {name: own})
    for inside, share in ((0, 0.25), (2, 0.75), (4, 1.0)):
        state, task, now, fakes = fakes_of(tiny, 1, 6 + inside)
        found = tiny.conditioner.terms(state.generator, fakes, now, task.camera)
        assert found.keys() == {name} and found[name][0] == own.weight * share
    before = plan(tiny.model, 0, 5)
    assert not tiny.conditioner.terms(state.generator, fakes, before, task.camera)


PARTS = {
    "label_terms": {"geometric", "colour"},
    "shape_terms": {"distance", "background", "depth_smoothness"},
    "reading_terms": {"reconstruction", "landmarks_2d", "landmarks_3d"},
    "warping_terms": {"warping"},
}


@pytest.mark.parametrize("name", sorted(TERMS))
def test_nothing_is_computed_for_terms_without_weight(tiny_faces, name, monkeypatch) -> None:
    tiny = changed(tiny_faces, **dict.fromkeys(TERMS, Term()) | {name: Term(weight=1)})
    called = []
    for part, given in PARTS.items():
        monkeypatch.setattr(
            terms,
            part,
            lambda *_, own=part, given=given: called.append(own) or dict.fromkeys(given),
        )
    state, task, now, fakes = fakes_of(tiny)
    found = tiny.conditioner.terms(state.generator, fakes, now, task.camera)
    assert found == {name: (1.0, None)}
    assert called == [part for part, given in PARTS.items() if name in given]


def test_warm_terms_are_labels_with_their_weights(tiny_faces) -> None:
    tiny = changed(tiny_faces, geometric=Term(weight=2.5, from_stage=0), colour=Term())
    task, state = tiny.task(), tiny.state()
    now = plan(tiny.model, 0, 0)
    drawn, twin = (draw_samples(task, ROWS, "generator") for _ in range(2))
    field = state.generator.bind(state.generator.style(drawn.latents))
    found = tiny.conditioner.warm_terms(field, drawn, now, task.camera)
    conditions = tiny.conditioner.conditions
    by_hand = terms.label_terms(conditions, field, twin.condition, task.camera, twin.streams)
    assert {name: weight for name, (weight, _) in found.items()} == {"geometric": 2.5, "colour": 0}
    assert all(torch.equal(value, by_hand[name]) for name, (_, value) in found.items())


@pytest.mark.parametrize(("start", "guided"), [(1, True), (2, False), (None, False)])
def test_warping_is_guided_only_where_samples_are(tiny_faces, start, guided, monkeypatch) -> None:
    tiny, guides, render = changed(tiny_faces, guided_from=start), [], terms.render

    def seen(field, rays, settings, streams, guide, ask):
        guides.append(guide)
        return render(field, rays, settings, streams, guide, ask)

    monkeypatch.setattr(terms, "render", seen)
    state, task, now, fakes = fakes_of(tiny)
    found = tiny.conditioner.terms(state.generator, fakes, now, task.camera)
    assert torch.isfinite(found["warping"][1])
    if guided:
        other = fakes.drawn.condition.other_guide
        assert torch.equal(guides[0].depth, other.depth[:1])
        assert torch.equal(guides[0].mask, other.mask[:1])
    else:
        assert guides == [None]


@pytest.mark.parametrize("count", [1, 3])
def test_so_many_images_are_warped(tiny_faces, count, monkeypatch) -> None:
    tiny, seen = changed(tiny_faces, warping_images=count), []
    monkeypatch.setattr(
        conditioners.terms, "warping_terms", lambda *given: seen.append(given) or {"warping": 0}
    )
    state, task, now, fakes = fakes_of(tiny)
    tiny.conditioner.terms(state.generator, fakes, now, task.camera)
    _, generator, given, some, guide = seen[0]
    assert generator is state.generator and given is fakes
    assert torch.equal(some.face, fakes.drawn.condition.face[:count]) and len(guide.depth) == count


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Writes statistics of these sizes beside the toy pool; a reader stands in for a regressor."""
    monkeypatch.setattr(conditioners, "load_regressor", lambda path: Reader())
    pool = write_pool(tmp_path)

    def write(sizes) -> FaceFiles:
        eye = {name: torch.eye(sizes[name]) for name in BLOCKS}
        mean = {name: torch.zeros(sizes[name]) for name in BLOCKS}
        Statistics(mean, eye).save(tmp_path / "statistics.npz")
        return FaceFiles(pool, tmp_path / "statistics.npz", tmp_path / "regressor.yaml")

    return write


def test_a_conditioner_is_read_for_a_stage(tiny_faces, files) -> None:
    given = files(SIZES)
    assert {name: path.name for name, path in given.files.items()} == {
        "pool": "manifest.json",
        "statistics": "statistics.npz",
        "regressor": "regressor.yaml",
    }
    model, seen = tiny_faces.model, load_manifest(given.pool)
    conditions = model.conditions.model_copy(update={"free_geometry": 4})
    model = model.model_copy(update={"conditions": conditions})
    first, last = (given(model, stage, 5, seen, CPU) for stage in (0, 2))
    assert last.blocks == SIZES | {"free_geometry": 4, "free_texture": 1}
    assert last.conditions is conditions and isinstance(last.regressor, Reader)
    sizes = [own.pool([0], "generator", CPU).depth.shape[1] for own in (first, last)]
    assert sizes == [8**2, 16**2]
    other = given(model, 0, 6, seen, CPU).pool(ROWS, "generator", CPU).face
    assert not torch.equal(first.pool(ROWS, "generator", CPU).face, other)


def test_a_pool_of_other_statistics_is_refused(tiny_faces, files) -> None:
    with pytest.raises(InputError, match=r"manifest.json: 9 coefficients a head, .* has 10"):
        given = files(SIZES | {"light": 3})
        given(tiny_faces.model, 0, 0, load_manifest(given.pool), CPU)


def test_a_pool_for_another_camera_is_refused(tiny_faces, files) -> None:
    given = files(SIZES)
    seen = replace(load_manifest(given.pool), camera=Camera(near=0.7))
    with pytest.raises(InputError, match=r"manifest\.json: its camera\.near is 0\.88"):
        given(tiny_faces.model, 0, 0, seen, CPU)


def test_what_comes_next_is_announced_as_the_pool_asks_for_it(tiny_faces, monkeypatch) -> None:
    conditioner, said = tiny_faces.task().conditioner, []
    monkeypatch.setattr(conditioner.pool, "announce", lambda *given: said.append(given))
    conditioner.announce(ROWS, "generator", CPU)
    assert said == [(ROWS, "generator", CPU)]
