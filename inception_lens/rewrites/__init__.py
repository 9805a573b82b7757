"""From a graph to a graph: each rewrite is a plain function whose docstring is its rule.

A rewrite is found before it is done: beside the function `Graph -> Graph` stands one that returns the `Plan` it carries
out, so that what it touches can be shown and counted site by site.
"""
