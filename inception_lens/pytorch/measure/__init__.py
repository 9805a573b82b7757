"""Measured time and memory of running networks."""
