"""Weights under the names of another network."""
