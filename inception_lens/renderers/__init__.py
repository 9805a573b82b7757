"""From an analysis to a value a person or a program reads; nothing here opens a file or prints."""
