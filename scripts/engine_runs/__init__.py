"""The same runs on our executor, on Airflow and on Prefect: what `scripts/compare_engines.py` and the tests ask.

asking     one question to an engine, in a process and an environment of its own
running    the same runs on each, in one form        planted    DAGs that show an engine's manners
in_airflow, in_prefect, and the services that they start    the other end of `asking`
"""
