"""What a network saves by 1x1 reductions and related rewrites."""
