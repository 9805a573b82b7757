"""From ATen operators to operations."""
