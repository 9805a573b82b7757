"""Images: sources, cache, batches and augmentation."""
