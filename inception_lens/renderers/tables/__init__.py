"""Writers of tables: a Table as text, Markdown, LaTeX, CSV and HTML."""
