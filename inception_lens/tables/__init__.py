"""Tables: the one value between a result and every text format, and the builder of each kind of result."""
