"""Paddle's programs."""
