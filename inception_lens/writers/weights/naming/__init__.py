"""The names that Caffe, TF-slim and others give to tensors: a module for each naming scheme."""
