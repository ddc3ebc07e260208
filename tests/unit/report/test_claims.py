"""Verdicts on claims."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from gof.experiment.config import Config
from gof.metrics.registry import metrics
from gof.report.claims import (
    OPEN,
    OPPOSITE,
    PART,
    SHOWN,
    UNMEASURED,
    Claim,
    Comparison,
    claims_table,
    likelihood,
    read_claims,
    verdict,
)
from gof.run.files import InputError

CLAIMS = Path("workflow/paper/claims.yaml")


def test_the_likelihood_is_that_of_the_t_test():
    draw = np.random.default_rng(0)
    for n, m in ((3, 3), (3, 2), (5, 4)):
        more, less = draw.normal(1, 1, n).tolist(), draw.normal(0, 1, m).tolist()
        expected = ttest_ind(more, less, alternative="greater").pvalue
        assert likelihood(more, less) == pytest.approx(expected)


def test_one_training_is_measured_against_the_spread_of_the_other_model():
    assert likelihood([9.0], [1.0, 1.1, 1.2]) < 0.01
    assert likelihood([1.3], [1.0, 1.1, 1.2]) > 0.05
    assert likelihood([9.0], [1.0]) is None and likelihood([], [1.0, 2.0]) is None
    assert (likelihood([2.0, 2.0], [1.0]), likelihood([1.0, 1.0], [1.0])) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("likelihoods", "said"),
    [
        ([0.01, 0.04], SHOWN),
        ([0.01, 0.2], PART),
        ([0.01, None], PART),
        ([0.01, 0.99], PART),
        ([0.2, 0.9], OPEN),
        ([0.3, 0.97], OPPOSITE),
        ([None, None], UNMEASURED),
        ([None, 0.2], OPEN),
    ],
)
def test_a_claim_is_shown_where_all_comparisons_are(likelihoods, said):
    assert verdict(likelihoods) == said


def test_the_table_names_models_means_and_how_many_trainings():
    rows = [("gof", "fd", v) for v in (50.0, 52.0, 54.0)] + [("pigan", "fd", 90.0)]
    frame = pd.DataFrame(rows, columns=["model", "metric", "value"])
    claims = [
        Claim("GOF has better images", "table 1", (Comparison("fd", "pigan", "gof"),)),
        Claim("and better ones than GRAF", "table 1", (Comparison("fd", "graf", "gof"),)),
    ]
    first, second = claims_table(claims, frame).rows
    assert [cell.text for cell in first] == [
        "GOF has better images (table 1)",
        "fd: pi-GAN 90 (1) > GOF 52 (3)? p 0.0018",
        SHOWN,
    ]
    assert [cell.text for cell in second][1:] == ["fd: no graf", UNMEASURED]


def test_the_claims_are_nine_and_name_metrics_and_models_that_there_are():
    claims = read_claims(CLAIMS)
    assert len(claims) == 9
    known = {column.metric for metric in metrics().values() for column in metric.columns}
    models = set(Config.load("config.yaml").models)
    models |= set(Config.load("config.yaml", "workflow/configs/ablations.yaml").models)
    for comparison in (one for claim in claims for one in claim.shown_by):
        assert comparison.metric in known, comparison
        assert {comparison.more, comparison.less} <= models | {"random_pairing"}, comparison


def test_a_file_without_claims_is_named(tmp_path):
    path = tmp_path / "claims.yaml"
    for text in (None, "- claim: x\n", "[1, 2]", "a: ["):
        if text is not None:
            path.write_text(text)
        with pytest.raises(InputError, match=r"claims\.yaml: no(t valid YAML| claims| such file)"):
            read_claims(path)
