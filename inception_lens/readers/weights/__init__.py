"""Weight files: what they hold, read without executing anything in them."""
