"""Tracking and registry on MLflow."""
