"""One node of the DAG: files, record, randomness, provenance, and what MLflow is filled from."""
