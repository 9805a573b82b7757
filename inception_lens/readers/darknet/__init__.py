"""Darknet's configs."""
