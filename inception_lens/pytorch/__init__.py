<<<<<<< HEAD
"""PyTorch both ways: a Graph as an `nn.Module`, weights into it, and what it costs when it runs."""
=======
"""PyTorch both ways: networks built of graphs, and graphs traced from any model."""
>>>>>>> main
