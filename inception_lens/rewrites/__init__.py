"""From a graph to a graph: each rewrite is a function from a graph to the `Plan` that `plan.rewritten` carries out.

The docstring of the function is its rule. The sites of a plan are shown and counted one by one.
"""
