"""The pipeline and its traffic on SageMaker."""
