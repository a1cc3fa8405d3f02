"""Manifests and traffic on Kubernetes."""
