"""The model server and the live rollout."""
