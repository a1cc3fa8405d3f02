"""A DAG as an Airflow file."""
