"""Values of gallery scripts that no two runs share, by script, with the reason."""

_SPEED = "the script measures time"
_TITLES = "titles say how long the models took"
_FOLDER = "a temporary folder of a random name"

TIMES_OF: dict[str, dict[str, str]] = {
    "applications/plot_prediction_latency.py": {"percentiles": _SPEED, "throughputs": _SPEED, "stats": _SPEED},
    "cluster/plot_birch_vs_minibatchkmeans.py": {"t_mini_batch": _SPEED, "t0": _SPEED, "t1": _SPEED, "t": _SPEED},
    "cluster/plot_feature_agglomeration_vs_univariate_selection.py": {
        "cachedir": _FOLDER,
        "mem": _FOLDER,
        "ward.memory": _FOLDER,
        "clf": _FOLDER,
        "f_regression": _FOLDER,
        "anova.score_func": _FOLDER,
    },
    "ensemble/plot_forest_importances.py": {"elapsed_time": _SPEED, "start_time": _SPEED},
    "ensemble/plot_stack_predictors.py": {
        **dict.fromkeys(("elapsed_time", "start_time"), _SPEED),
        **dict.fromkeys(("fig", "ax", "axs", "display"), _TITLES),
    },
    "compose/plot_compare_reduction.py": {"memory": _FOLDER, "cached_pipe": _FOLDER, "location": _FOLDER},
    "linear_model/plot_lasso_model_selection.py": {"fit_time": _SPEED, "start_time": _SPEED, "ax": _TITLES},
    "miscellaneous/plot_kernel_ridge_regression.py": dict.fromkeys(
        ("t0", "svr_fit", "kr_fit", "svr_predict", "kr_predict", "train_time", "test_time", "ax"), _SPEED
    ),
    "model_selection/plot_learning_curve.py": dict.fromkeys(
        (
            "fig",
            "ax",
            "fit_times",
            "score_times",
            *(f"{one}_times_{kind}" for one in ("fit", "score") for kind in ("nb", "svm")),
        ),
        _SPEED,
    ),
    "cluster/plot_mini_batch_kmeans.py": dict.fromkeys(("t0", "t_batch", "t_mini_batch"), _SPEED),
    "cluster/plot_ward_structured_vs_unstructured.py": {
        **dict.fromkeys(
            ("st", "start_time", "elapsed_time", "elapsed_time_unstructured", "elapsed_time_structured"), _SPEED
        ),
        **dict.fromkeys(("fig1", "ax1", "fig2", "ax2", "fig3", "subfigs", "subfig", "axs", "ax"), _TITLES),
    },
    "model_selection/plot_successive_halving_heatmap.py": {
        **dict.fromkeys(("tic", "gsh_time", "gs_time"), _SPEED),
        **dict.fromkeys(("fig", "axes", "ax"), _TITLES),
    },
    "model_selection/plot_grid_search_digits.py": {"grid_search": "the model that is fitted quickest is chosen"},
}
