"""Training, tracking, gates, registry, lineage, drift and the rollout's decision."""
