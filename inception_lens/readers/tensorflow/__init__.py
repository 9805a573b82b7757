"""TensorFlow's frozen graphs."""
