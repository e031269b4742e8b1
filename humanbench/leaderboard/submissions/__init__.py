"""The door through which results of others come in: made, opened with suspicion, recomputed, kept, run again."""
