"""Drawings, panels, exercises and the classroom."""
