"""Names are text from anywhere: what each format would take for its own syntax is taken out of them here."""

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # at the start of a row these would be options of the row before
}  # fmt: skip


def printable(text: str) -> str:
    """The text with control characters written out, so that a name cannot steer a terminal or break a line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def csv_cell(text: str) -> str:
    """The text without control characters, and with a quote before what a spreadsheet would run as a formula."""
    text = printable(text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def markdown_cell(text: str) -> str:
    """The text with everything escaped that Markdown, or HTML in it, gives a meaning to."""
    escaped = "".join([f"\\{char}" if char in "\\`*_{}[]<>#+!|~&:@" else char for char in printable(text)])
    return escaped.replace("\\: ", ": ")  # a colon makes a link or an emoji only before other characters


def latex(text: str) -> str:
    """The text with TeX's special characters escaped."""
    return "".join(_LATEX.get(char, char) for char in printable(text))
