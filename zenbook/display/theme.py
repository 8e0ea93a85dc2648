"""What a state looks like in pictures, tables and texts: its sign and its colour."""

from __future__ import annotations

from zenbook.core.states import StepState

# What a state looks like everywhere. A run's states are found by the same words.
SIGNS: dict[str, str] = {
    StepState.SUCCEEDED: "✓",
    StepState.CACHED: "↺",
    StepState.FAILED: "✗",
    StepState.SKIPPED: "–",
    StepState.RUNNING: "▶",
    StepState.CANCELLED: "■",
    StepState.CRASHED: "!",
    StepState.PENDING: "○",
}
# Middle tones: at least 3 : 1 on white and on JupyterLab's dark ground.
COLOURS: dict[str, str] = {
    StepState.SUCCEEDED: "#2c9a56",
    StepState.CACHED: "#3f83dd",
    StepState.FAILED: "#dc4a4a",
    StepState.SKIPPED: "#858e99",
    StepState.RUNNING: "#b97f00",
    StepState.CANCELLED: "#c66a1e",
    StepState.CRASHED: "#b7479b",
    StepState.PENDING: "#858e99",
}
