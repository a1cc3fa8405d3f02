"""The pipeline and its traffic on Vertex AI."""
