"""Datasets of images: sources, cache, batches and augmentation."""
