"""From a network to text or bytes in another format."""
