"""From a result to a value that a person or a program reads; nothing here opens a file or prints."""
