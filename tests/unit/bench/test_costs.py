"""What trainings would take on GPUs follows from the steps that were measured on one."""

import json
from pathlib import Path

import pytest

from gof.bench import costs
from gof.bench.costs import CONDITIONAL, LAUNCHES, STEPS, cost, run_costs, step_ms
from gof.bench.jobs import CostsJob
from gof.experiment.config import Config
from gof.run.files import InputError

CONTACT = json.loads(Path("docs/gpu/contact.json").read_text())
BFM = Config.load("config.yaml", "workflow/configs/paper-bfm.yaml").models["gof"]


def whole(model):
    """With one micro-batch a step."""
    stages = [stage.model_copy(update={"micro_batch": stage.batch}) for stage in model.stages]
    return model.model_copy(update={"stages": tuple(stages)})


def test_numbers_are_those_of_the_visit():
    for size, (images, ms, memory) in STEPS.items():
        row = CONTACT["speed"][f"step bfm {size} px"]
        assert (row["batch"], row["ms_with_r1"], row["peak_gib"]) == (images, ms, memory)
    own = CONTACT["speed"]["own_step_ms 64 px"]["as it is"]
    busy = CONTACT["speed"]["profile, own step 64 px as it is"]["busy_share"]
    assert pytest.approx(own * (1 - busy), abs=0.5) == LAUNCHES
    at_64 = {
        name: next(row for row in CONTACT[name]["stages"] if row["resolution"] == 64)
        for name in ("cgof", "gof")
    }
    each = {name: row["ms_a_step"] / row["batch"] for name, row in at_64.items()}
    assert each["cgof"] / each["gof"] == pytest.approx(CONDITIONAL, abs=0.05)


def test_the_steps_that_were_measured_are_given_back():
    for stage, (_, ms, _) in zip(whole(BFM).stages, STEPS.values(), strict=True):
        assert step_ms(whole(BFM), stage, 1) == pytest.approx(ms)
    hours = CONTACT["speed"]["hours_on_one_gpu"]["bfm"]["r1_every_step"]
    found = cost(whole(BFM), 1)
    assert found.hours == pytest.approx(hours, rel=0.01)
    assert found.memory == pytest.approx(max(memory for *_, memory in STEPS.values()))


def test_gpus_share_micro_batches_and_small_ones_cost_launches():
    assert cost(BFM, 8).hours == pytest.approx(cost(BFM, 1).hours / 8)
    assert cost(BFM, 1).hours > 2 * cost(whole(BFM), 1).hours
    assert cost(BFM, 3) is None and cost(whole(BFM), 2) is None
    assert cost(BFM, 1).memory < 1 < 3 < cost(whole(BFM), 1).memory


def test_a_smaller_field_and_fewer_points_take_less():
    narrow = BFM.model_copy(update={"field": BFM.field.model_copy(update={"width": 64})})
    stage = whole(BFM).stages[1]
    assert LAUNCHES < step_ms(narrow, stage, 1) < step_ms(BFM, stage, 1) / 3
    assert cost(narrow, 1).disk < cost(BFM, 1).disk


def test_the_table_has_a_row_for_each_model(capsys):
    run_costs(Config.load("config.yaml", "workflow/configs/paper-bfm.yaml"), CostsJob(gpus=(1, 3)))
    text = capsys.readouterr().out
    assert "hours on 1 GPU |" in text and "hours on 3 GPUs" in text and costs.MACHINE in text
    assert "| gof | 14.1 | – |" in text and "| pigan |" in text
    with pytest.raises(InputError, match="--gpus: 0"):
        run_costs(Config.load("config.yaml"), CostsJob(gpus=(0,)))
