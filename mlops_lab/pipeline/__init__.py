"""The DAG, and the flights pipeline."""
