"""A DAG as a Prefect flow."""
