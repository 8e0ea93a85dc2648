"""Airflow: exporter, orchestrator, client and task."""
