"""From a graph to a graph: each rewrite is a plain function whose docstring is its rule.

Each rewrite `Graph -> Graph` has a second function that returns its `Plan`, so that its sites can be shown and counted
one by one.
"""
