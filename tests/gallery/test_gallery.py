"""Real scripts as step cells: scikit-learn's gallery leaves the same values, and is then served from the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gallery.harness import Outcome, run_script
from tests.gallery.sources import NoSourcesError, gallery_folder, read_script, unfit
from tests.gallery.times import TIMES_OF

SAMPLE = {
    "applications/plot_outlier_detection_wine.py": "estimators in a dict, fitted in later cells",
    "bicluster/plot_spectral_biclustering.py": "arrays across cells",
    "calibration/plot_calibration_curve.py": "a class of a cell, models that two names share, unseeded draws",
    "callbacks/plot_callback_support.py": "classes of cells in processes of joblib",
    "classification/plot_digits_classification.py": "figures and axes, unseeded draws",
    "cluster/plot_kmeans_assumptions.py": "clustering, many figures",
    "covariance/plot_mahalanobis_distances.py": "a seeded global random state, one figure across cells",
    "decomposition/plot_kernel_pca.py": "decomposition, pictures",
    "ensemble/plot_voting_decision_regions.py": "an ensemble of named models",
    "feature_selection/plot_feature_selection_pipeline.py": "a pipeline, its parts and its HTML",
    "gaussian_process/plot_gpr_noisy_targets.py": "a Gaussian process, a generator passed on",
    "inspection/plot_partial_dependence_visualization_api.py": "displays that draw on axes of other cells",
    "linear_model/plot_polynomial_interpolation.py": "functions of one cell used in others",
    "miscellaneous/plot_estimator_representation.py": "estimators shown as HTML, column transformers",
    "preprocessing/plot_target_encoder_cross_val.py": "scikit-learn's own configuration, pandas output",
    "model_selection/plot_cv_indices.py": "functions that draw, cross-validation",
    "model_selection/plot_successive_halving_iterations.py": "an import for its effect: `sklearn.experimental`",
    "neighbors/plot_lof_outlier_detection.py": "neighbours, a function called by matplotlib",
    "svm/plot_rbf_parameters.py": "a class of a cell, cross-validation",
    "svm/plot_svm_kernels.py": "a function that draws and reads variables of the notebook",
    "tree/plot_unveil_tree_structure.py": "loops that bind names again",
}


@pytest.fixture(scope="session")
def gallery() -> Path:
    try:
        return gallery_folder()
    except NoSourcesError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", SAMPLE)
def test_a_gallery_script_runs_unchanged_as_step_cells(name: str, gallery: Path, tmp_path: Path) -> None:
    script = read_script(gallery / name, gallery)
    assert not unfit(script)

    outcome = run_script(script, tmp_path, excluded=TIMES_OF.get(name))

    assert not outcome.trouble
    assert not [f"{cell.name}: {cell.error}" for cell in outcome.plain if cell.error]
    assert not outcome.errors
    assert not {each: found for each, found in outcome.differences.items() if found}
    assert not {each: (cell.why, cell.notes) for each, cell in outcome.run_again.items()}
    assert _states(outcome, "steps") == {"succeeded"}


def _states(outcome: Outcome, each: str) -> set[str]:
    return {cell.state for cell in outcome.passes[each]}
