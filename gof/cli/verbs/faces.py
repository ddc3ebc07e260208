"""Verbs about faces: models, landmarks, fits, conditions, regressors."""

from __future__ import annotations

from gof.cli.registry import Verb

VERBS = (
    Verb(
        name="head-model",
        summary="Build the linear head model from its asset.",
        example=(
            "gof head-model --asset results/assets/head.json --out "
            "results/heads/model/head_model.npz"
        ),
        group="faces",
        job="gof.heads.jobs:HeadModelJob",
        run="gof.heads.build:run_head_model",
    ),
    Verb(
        name="bfm",
        summary="Make a head model of your own copy of the Basel Face Model.",
        example="gof bfm --mat BFM_model_front.mat --out bfm.npz",
        group="faces",
        job="gof.morphable.jobs:BfmJob",
        run="gof.morphable.bfm:run_bfm",
    ),
    Verb(
        name="fit",
        summary="Fit the 3DMM to the face of one photograph: a mesh and a picture of the fit.",
        example="gof fit photograph.jpg --head-model results/heads/model/head_model.npz --out fit/",
        group="faces",
        job="gof.fitting.jobs:FitJob",
        run="gof.fitting.photograph:run_fit",
    ),
    Verb(
        name="landmarks",
        summary="Find 68 landmarks in every image of a data set.",
        example=(
            "gof landmarks --data results/heads/data/manifest.json --out "
            "results/heads/faces/landmarks/"
        ),
        group="faces",
        job="gof.fitting.jobs:LandmarksJob",
        run="gof.fitting.landmark_set:run_landmarks",
        needs="experiment",
    ),
    Verb(
        name="fits",
        summary="Fit the 3DMM to every image of a data set; statistics of its coefficients.",
        example=(
            "gof fits --data manifest.json --landmarks landmarks.json --head-model "
            "head_model.npz --out fits/"
        ),
        group="faces",
        job="gof.fitting.jobs:FitsJob",
        run="gof.fitting.fit_set:run_fits",
        needs="experiment",
    ),
    Verb(
        name="pool",
        summary="Draw conditions from the statistics of the fits and render them for training.",
        example=(
            "gof pool --data manifest.json --statistics fits/statistics.npz"
            " --head-model head_model.npz --out pool/"
        ),
        group="faces",
        job="gof.conditioning.jobs:PoolJob",
        run="gof.conditioning.pool:run_pool",
        needs="experiment",
    ),
    Verb(
        name="regressor",
        summary="Train a network that reads coefficients, pose and landmarks off an image.",
        example=(
            "gof regressor --name judge --data manifest.json --landmarks landmarks.json "
            "--fits fits.json --pool pool/manifest.json --statistics statistics.npz "
            "--head-model head_model.npz --out judge/"
        ),
        group="faces",
        job="gof.readers.jobs:RegressorJob",
        run="gof.readers.training:run_regressor",
        needs="experiment",
    ),
    Verb(
        name="import-faces",
        summary="Make files of ours of cGOF's statistics, fits or detections.",
        example=(
            "gof import-faces statistics --files coeff_distribution_L.npz --out statistics.npz"
        ),
        group="faces",
        job="gof.authors.jobs:ImportFacesJob",
        run="gof.authors.faces:run_import_faces",
    ),
)
