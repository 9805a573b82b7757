"""Escaping for each output format: names come from files of others, and must be text in every format."""

_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # at the start of a row these would be options of the row before
})  # fmt: skip
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_MARKDOWN = str.maketrans({char: f"\\{char}" for char in "\\`*_{}[]<>#|~&:@"})


def printable(text: str) -> str:
    """The text with control characters escaped: it cannot control a terminal or break a line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def csv_text(text: str) -> str:
    """Printable text, with a quote before a character that starts a formula in a spreadsheet."""
    text = printable(text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def markdown_text(text: str) -> str:
    """Printable text, with every character escaped that has a meaning in Markdown or in HTML within it."""
    escaped = printable(text).translate(_MARKDOWN)
    return escaped.replace("\\: ", ": ")  # a colon makes a link or an emoji only before other characters


def latex_text(text: str) -> str:
    """Printable text, with TeX's special characters escaped."""
    return printable(text).translate(_LATEX)


def html_text(text: str) -> str:
    """Printable text, with the special characters of HTML and of its quoted attributes escaped."""
    return printable(text).translate(_HTML)
