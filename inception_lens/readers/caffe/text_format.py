"""A parser of the text format of protocol buffers that needs no schema.

Google's parser (`google.protobuf.text_format`) needs compiled descriptors of all messages; there is no maintained
package with those of Caffe, and none with those of its forks. This parser follows the specification (protobuf.dev,
"Text Format Language") and keeps every field with its line; the type of a field is checked when it is read
(`message.py`). Limits: MAX_DEPTH and MAX_FIELDS.
"""

import re
from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.readers.caffe.message import TextField, TextMessage, abbreviated

MAX_DEPTH = 32
"""Messages inside each other; Caffe's nets have four."""
MAX_FIELDS = 100_000
"""Fields of a whole text."""

TOKEN = re.compile(
    r"""(?P<skip>[ \t\r\n\f\v]+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<word>-?[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?[fF]?))
    |(?P<mark>[{}<>\[\]:;,])""",
    re.VERBOSE,
)
EXTENSION = re.compile(r"\[[\w./-]{1,200}\]", re.ASCII)
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def parse(text: str) -> TextMessage:
    """Parse a text into a message of its outermost fields.

    Raises:
        FormatError: the text is not in the format; with the line, and the column in the message.
    """
    return _Parser(text).document()


class _Token(NamedTuple):
    kind: str
    """A group of TOKEN, or `end`."""
    text: str
    at: int


class _Parser:
    """One pass over the tokens with a stack of open messages, so that depth does not recurse."""

    def __init__(self, text: str) -> None:
        self.text, self.position, self.line, self.counted = text, 0, 1, 0
        self.token = self.next()

    def next(self) -> _Token:
        """Advance to the next token that is not blank; `self.line` becomes its line."""
        while self.position < len(self.text):
            found = TOKEN.match(self.text, self.position)
            if found is None:
                self.count_lines(self.position)
                raise self.error(self.position, "invalid character or unterminated string")
            at, self.position = self.position, found.end()
            if found.lastgroup != "skip":
                self.count_lines(at)
                self.token = _Token(str(found.lastgroup), found[0], at)
                return self.token
        self.count_lines(len(self.text))
        self.token = _Token("end", "", len(self.text))
        return self.token

    def count_lines(self, at: int) -> None:
        self.line += self.text.count("\n", self.counted, at)
        self.counted = at

    def error(self, at: int, message: str) -> FormatError:
        column = at - self.text.rfind("\n", 0, at)
        seen = abbreviated(self.text[at : at + 20].split("\n")[0]) if at < len(self.text) else "the end of the file"
        return FormatError(f"column {column}: {message}, at {seen}", line=self.line)

    def document(self) -> TextMessage:
        root = TextMessage("the net")
        stack: list[tuple[TextMessage, str]] = [(root, "")]
        fields = 0
        while True:
            token, (message, closing) = self.token, stack[-1]
            if token.kind == "end":
                if closing:
                    raise self.error(token.at, f"`{message.name}`, opened in line {message.line}, is not closed")
                return root
            if token.text == closing:
                stack.pop()
                self.next()
            elif token.text in (",", ";"):
                self.next()
            elif token.kind == "word" or token.text == "[":
                fields += 1
                if fields > MAX_FIELDS or len(stack) > MAX_DEPTH:
                    limit = f"{MAX_FIELDS:,} fields" if fields > MAX_FIELDS else f"{MAX_DEPTH} messages in each other"
                    raise self.error(token.at, f"more than {limit}")
                if opened := self.field(message):
                    stack.append(opened)
            else:
                expected = f"a field name or `{closing}`" if closing else "a field name"
                raise self.error(token.at, f"expected {expected}")

    def field(self, message: TextMessage) -> tuple[TextMessage, str] | None:
        """Read a field into `message`; return the message that it opens, and the mark that closes it."""
        name, line = self.name(), self.line
        colon = self.next().text == ":"
        if colon:
            self.next()
        if self.token.text in ("{", "<"):
            closing = "}" if self.token.text == "{" else ">"
            self.next()
            inner = TextMessage(name, line)
            message.fields.append(TextField(name, inner, line))
            return inner, closing
        if not colon:
            raise self.error(self.token.at, f"expected `:` or `{{` after `{name}`")
        if self.token.text == "[":
            self.list(message, name, line)
        else:
            self.scalar(message, name, line)
        return None

    def name(self) -> str:
        """The name of a field or an extension; the position is then after it."""
        if self.token.text != "[":
            return self.token.text
        found = EXTENSION.match(self.text, self.token.at)
        if found is None:
            raise self.error(self.token.at, "expected the name of an extension, such as [one.two]")
        self.position = found.end()
        return found[0]

    def list(self, message: TextMessage, name: str, line: int) -> None:
        self.next()
        while self.token.text != "]":
            if self.token.text in ("{", "<"):
                raise self.error(self.token.at, f"messages in a list are not supported: repeat the field `{name}`")
            self.scalar(message, name, line)
            if self.token.text == ",":
                self.next()
        self.next()

    def scalar(self, message: TextMessage, name: str, line: int) -> None:
        token = self.token
        if token.kind == "string":
            parts = []
            while self.token.kind == "string":  # adjacent strings are one
                parts.append(_unescape(self.token.text[1:-1]))
                self.next()
            message.fields.append(TextField(name, "".join(parts), line, quoted=True))
        elif token.kind in ("word", "number"):
            message.fields.append(TextField(name, token.text, line))
            self.next()
        else:
            raise self.error(token.at, f"expected a value for `{name}`")


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def character(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        return chr(int(code, 8)) if code.isdigit() and code < "8" else ESCAPES.get(code, code)

    return ESCAPE.sub(character, text)
