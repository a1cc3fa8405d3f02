"""The feature store on Feast."""
