"""Escaping for each output format: names come from files of others, and must be text in every format."""

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # at the start of a row these would be options of the row before
}  # fmt: skip
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_MARKDOWN = frozenset("\\`*_{}[]<>#|~&:@")


def printable(text: str) -> str:
    """The text with control characters escaped: it cannot control a terminal or break a line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def csv_text(text: str) -> str:
    """Printable text, with a quote before a character that starts a formula in a spreadsheet."""
    text = printable(text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def markdown_text(text: str) -> str:
    """Printable text, with every character escaped that has a meaning in Markdown or in HTML within it."""
    escaped = "".join([f"\\{char}" if char in _MARKDOWN else char for char in printable(text)])
    return escaped.replace("\\: ", ": ")  # a colon makes a link or an emoji only before other characters


def latex_text(text: str) -> str:
    """Printable text, with TeX's special characters escaped."""
    return "".join(_LATEX.get(char, char) for char in printable(text))


def html_text(text: str) -> str:
    """Printable text, with the special characters of HTML and of its quoted attributes escaped."""
    return printable(text).translate(_HTML)
