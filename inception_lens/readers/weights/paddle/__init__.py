"""Paddle's weight files that are not pickles."""
