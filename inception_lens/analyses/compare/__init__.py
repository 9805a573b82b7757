"""Two networks compared by their structure."""
