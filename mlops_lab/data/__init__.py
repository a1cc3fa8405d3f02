"""The flights, and the feature store."""
