"""What everything stands on: errors, time, fingerprints, storage."""
