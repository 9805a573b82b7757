"""Diagrams: from a graph to DOT text, and from there to a drawing."""
