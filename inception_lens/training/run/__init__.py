"""A run: its folder, records, checkpoints and processes."""
