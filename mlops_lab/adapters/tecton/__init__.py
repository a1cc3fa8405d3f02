"""Feature definitions for Tecton."""
