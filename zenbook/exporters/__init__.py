"""From a plan to files, one module for each target."""
