"""Run plans: one step, a whole run, workers, background runs."""
