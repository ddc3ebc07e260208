import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from gof.experiment.config import Config
from gof.report import figures
from gof.report.jobs import FiguresJob
from gof.report.records import read_records
from gof.run.files import InputError, read_json, write_json

UNTRACKED = Config.parse({"tracking": {"enabled": False}})


@pytest.fixture
def read(records):
    return read_records(records)


def lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.get_lines()}


def test_histories_join_stages_in_order(read):
    logs = figures.histories(read)
    assert list(logs) == [("heads", "gof", "0"), ("heads", "pigan", "0")]
    assert [entry["step"] for entry in logs["heads", "gof", "0"]] == list(range(1, 15))
    assert figures.growths(read, "heads", "gof") == [10.0]


def test_losses_has_a_panel_for_each_model_with_both_curves(read):
    panels = figures.losses(read).axes
    assert [axes.get_title() for axes in panels[:2]] == ["GOF", "pi-GAN"]
    curve = lines(panels[0])["generator"]
    np.testing.assert_allclose(curve, [[s, 1.0 / s] for s in range(1, 15)])
    assert len(panels) == 6 and panels[4].get_ylabel() == "discriminator is right"
    known = lines(panels[4])
    np.testing.assert_allclose(known["training above held-out"], [[s, 0.25] for s in range(1, 15)])
    assert (known["of reals"][:, 1] == 0.75).all() and (known["of fakes"][:, 1] == 0.5).all()


def test_interval_of_models_that_have_one_and_sigma_of_all(read):
    left, right = figures.interval(read).axes
    assert set(lines(left)) == {"GOF"}
    assert set(lines(right)) == {"GOF", "pi-GAN"}
    np.testing.assert_allclose(lines(right)["GOF"][:, 1], [0.1 / s for s in range(1, 15)])


def test_weights_draws_the_stored_profile(read):
    (axes,) = figures.weights(read).axes
    np.testing.assert_allclose(lines(axes)["pi-GAN"], [[-0.1, 0.1], [0, 0.8], [0.1, 0.1]])


def test_weights_without_a_profile_says_what_to_run(read):
    with pytest.raises(InputError, match="gof evaluate --metric surface"):
        figures.weights([r for r in read if r.kind == "train"])


def test_shapes_puts_the_sheets_side_by_side(read):
    panels = figures.shapes(read).axes
    assert [axes.get_title() for axes in panels] == ["GOF", "pi-GAN"]
    assert panels[0].get_images()[0].get_array().shape == (30, 20, 3)
    heads, rows = panels[0].get_xticklabels(), panels[0].get_yticklabels()
    assert [text.get_text() for text in heads] == ["0", "7"]
    assert [text.get_text() for text in rows][:2] == ["yaw -0.5 rad  colours", "shape"]
    assert panels[0].get_xticks().tolist() == [5.0, 15.0]
    assert len(rows) == 8 and panels[0].get_yticks()[4] == pytest.approx(4.5 * 30 / 8)


def test_shapes_shows_the_first_of_several_trainings(results, records, training):
    read = read_records([*records, *training(results, "gof", seed=1)])
    assert [axes.get_title() for axes in figures.shapes(read).axes] == ["GOF", "pi-GAN"]


def test_models_differ_in_colour_and_seeds_in_line(results, records, training):
    read = read_records([*records, *training(results, "gof", seed=1)])
    styles = figures._styles(list(figures.histories(read)))
    gof, again, pigan = (
        styles["heads", *key] for key in (("gof", "0"), ("gof", "1"), ("pigan", "0"))
    )
    assert gof["color"] == again["color"] != pigan["color"] and gof["ls"] != again["ls"]
    assert again["label"] == "GOF, seed 1"


def test_data_sets_are_told_apart(results, records, training):
    more = training(results, "gof", dataset="photographs")
    record = read_json(more[1])
    for entry in record["numbers"]["history"]:
        entry["loss_d"] /= 2
    write_json(more[1], record)
    read = read_records([*records, *more])
    logs = figures.histories(read)
    assert logs["heads", "gof", "0"][0]["loss_d"] == 0.5
    assert logs["photographs", "gof", "0"][0]["loss_d"] == 0.25
    titles = ["GOF on heads", "pi-GAN on heads", "GOF on photographs"]
    for draw in (figures.losses, figures.shapes):
        assert [axes.get_title() for axes in draw(read).axes[:3]] == titles
    (axes,) = figures.weights(read).axes
    assert list(lines(axes)) == titles


def test_a_note_is_stamped_on_the_picture():
    def picture(note):
        figure, axes = plt.subplots(figsize=(2, 2))
        axes.set_axis_off()
        return np.asarray(Image.open(io.BytesIO(figures.png(figure, note))))

    assert (picture("") == 255).all()
    assert (picture("smoke run") < 255).any()


def test_run_writes_all_figures_the_same_each_time(results, records):
    contents = []
    for _ in range(2):
        figures.run_figures(UNTRACKED, FiguresJob(records, out=results / "figures"))
        contents.append({p.name: p.read_bytes() for p in (results / "figures").glob("*.png")})
    assert set(contents[0]) == {"losses.png", "interval.png", "weights.png", "shapes.png"}
    assert contents[0] == contents[1]
