"""The text format of protocol buffers, read without a schema.

Google's own parser (`google.protobuf.text_format`) needs compiled descriptors of every message, of which nobody keeps a
package for Caffe's, and knows no fork's. This one reads what the format's specification says (protobuf.dev, "Text
Format Language") into plain fields, each with its line; what a field must be, is asked when it is read.
"""

import math
import re
from typing import NamedTuple

from inception_lens.errors import FormatError, suggest

MAX_DEPTH = 32
"""Messages inside each other; Caffe's have four."""
MAX_FIELDS = 100_000

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


class TextField(NamedTuple):
    """One field as it is written: a message, or the text of a scalar."""

    name: str
    value: "TextMessage | str"
    line: int
    quoted: bool = False


class TextMessage:
    """The fields between two braces, in their order; the questions ask for one that is of a kind."""

    def __init__(self, name: str = "", line: int = 1, fields: list[TextField] | None = None) -> None:
        self.name, self.line = name, line
        self.fields: list[TextField] = fields if fields is not None else []

    def __contains__(self, name: str) -> bool:
        return any(field.name == name for field in self.fields)

    def all(self, name: str) -> list[TextField]:
        """Every field of that name."""
        return [field for field in self.fields if field.name == name]

    def messages(self, name: str) -> list["TextMessage"]:
        """Every message of that name.

        Raises:
            FormatError: a field of that name is a scalar.
        """
        found = []
        for field in self.all(name):
            if not isinstance(field.value, TextMessage):
                raise FormatError(f"`{name}` is {_shown(field.value)}: it holds fields, in braces", line=field.line)
            found.append(field.value)
        return found

    def message(self, name: str) -> "TextMessage":
        """The message of that name, several of them as one, and an empty one where there is none."""
        found = self.messages(name)
        line = found[0].line if found else self.line
        return (
            found[0] if len(found) == 1 else TextMessage(name, line, [field for each in found for field in each.fields])
        )

    def integers(self, name: str, least: int = 0, most: int = 2**31 - 1) -> list[int]:
        """Every whole number of that name.

        Raises:
            FormatError: one is no whole number, or not from `least` to `most`.
        """
        numbers = []
        for field in self.all(name):
            number = _whole(field.value) if isinstance(field.value, str) and not field.quoted else None
            if number is None or not least <= number <= most:
                raise FormatError(
                    f"`{name}` is {_shown(field.value)}: a whole number from {least:,} to {most:,}", line=field.line
                )
            numbers.append(number)
        return numbers

    def integer(self, name: str, default: int | None = None, least: int = 0, most: int = 2**31 - 1) -> int:
        """The whole number of that name, the last where there are several.

        Raises:
            FormatError: there is none and no `default`; or as `integers` does.
        """
        numbers = self.integers(name, least, most)
        if numbers:
            return numbers[-1]
        if default is None:
            raise FormatError(
                f"{self.name} has no `{name}`{suggest(name, {field.name for field in self.fields})}", line=self.line
            )
        return default

    def numbers(self, name: str) -> list[float]:
        """Every number of that name.

        Raises:
            FormatError: one is no finite number.
        """
        numbers = []
        for field in self.all(name):
            try:
                number = float(str(field.value).rstrip("fF") if not field.quoted else "")
            except ValueError:
                number = math.nan
            if not math.isfinite(number):
                raise FormatError(f"`{name}` is {_shown(field.value)}: a finite number", line=field.line)
            numbers.append(number)
        return numbers

    def number(self, name: str, default: float) -> float:
        """The number of that name."""
        return (self.numbers(name) or [default])[-1]

    def texts(self, name: str) -> list[str]:
        """Every string of that name, and every word without quotes.

        Raises:
            FormatError: one is a message.
        """
        texts = []
        for field in self.all(name):
            if not isinstance(field.value, str):
                raise FormatError(f"`{name}` is {_shown(field.value)}: a text in quotes", line=field.line)
            texts.append(field.value)
        return texts

    def text(self, name: str, default: str = "") -> str:
        """The string of that name."""
        return (self.texts(name) or [default])[-1]

    def flag(self, name: str, default: bool) -> bool:
        """The truth value of that name.

        Raises:
            FormatError: it is none.
        """
        value = default
        for field in self.all(name):
            if field.value not in ("true", "false", "True", "False", "t", "f", "1", "0"):
                raise FormatError(f"`{name}` is {_shown(field.value)}: true or false", line=field.line)
            value = field.value in ("true", "True", "t", "1")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """The word of that name, one of `choices`, which begin at the number 0; the first where there is none.

        Raises:
            FormatError: it is none of them.
        """
        value = choices[0]
        for field in self.all(name):
            number = _whole(field.value) if isinstance(field.value, str) else None
            if number is not None and 0 <= number < len(choices):
                value = choices[number]
            elif field.value in choices:
                value = str(field.value)
            else:
                raise FormatError(f"`{name}` is {_shown(field.value)}: {' or '.join(choices)}", line=field.line)
        return value


def parse(text: str) -> TextMessage:
    """Read a text.

    Raises:
        FormatError: it is not in the format; with the line, and the column in the message.
    """
    return _Parser(text).document()


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Parser:
    """One pass over the tokens, with a stack of the messages that are open."""

    def __init__(self, text: str) -> None:
        self.text, self.position, self.line, self.counted = text, 0, 1, 0
        self.token = self.next()

    def next(self) -> _Token:
        """The next token that is not blank; its line is then `self.line`."""
        while self.position < len(self.text):
            found = TOKEN.match(self.text, self.position)
            if found is None:
                self.count(self.position)
                raise self.wrong(self.position, "no token of the format begins here")
            at, self.position = self.position, found.end()
            if found.lastgroup != "skip":
                self.count(at)
                self.token = _Token(str(found.lastgroup), found[0], at)
                return self.token
        self.count(len(self.text))
        self.token = _Token("end", "", len(self.text))
        return self.token

    def count(self, at: int) -> None:
        self.line += self.text.count("\n", self.counted, at)
        self.counted = at

    def wrong(self, at: int, message: str) -> FormatError:
        column = at - self.text.rfind("\n", 0, at)
        seen = _shown(self.text[at : at + 20].split("\n")[0]) if at < len(self.text) else "the end of the file"
        return FormatError(f"column {column}: {message}, at {seen}", line=self.line)

    def document(self) -> TextMessage:
        root = TextMessage("the net")
        stack: list[tuple[TextMessage, str]] = [(root, "")]
        fields = 0
        while True:
            token, (message, closing) = self.token, stack[-1]
            if token.kind == "end":
                if closing:
                    raise self.wrong(token.at, f"`{message.name}`, opened in line {message.line}, is not closed")
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
                    raise self.wrong(token.at, f"more than {limit}")
                if opened := self.field(message):
                    stack.append(opened)
            else:
                expected = f"a field's name or `{closing}`" if closing else "a field's name"
                raise self.wrong(token.at, f"expected {expected}")

    def field(self, message: TextMessage) -> tuple[TextMessage, str] | None:
        """Read a field into `message`; the message that it opens, and what closes it."""
        name, line = self.token.text, self.line
        if name == "[":
            found = EXTENSION.match(self.text, self.token.at)
            if found is None:
                raise self.wrong(self.token.at, "expected the name of an extension, such as [one.two]")
            name, self.position = found[0], found.end()
        colon = self.next().text == ":"
        if colon:
            self.next()
        if self.token.text in ("{", "<"):
            return self.opened(message, name, line)
        if not colon:
            raise self.wrong(self.token.at, f"expected `:` or `{{` behind `{name}`")
        if self.token.text == "[":
            self.next()
            while self.token.text != "]":
                if self.token.text in ("{", "<"):
                    raise self.wrong(self.token.at, f"`{name}`: write a message of a list as a field of its own")
                self.scalar(message, name, line)
                if self.token.text == ",":
                    self.next()
            self.next()
        else:
            self.scalar(message, name, line)
        return None

    def opened(self, message: TextMessage, name: str, line: int) -> tuple[TextMessage, str]:
        closing = "}" if self.token.text == "{" else ">"
        self.next()
        inner = TextMessage(name, line)
        message.fields.append(TextField(name, inner, line))
        return inner, closing

    def scalar(self, message: TextMessage, name: str, line: int) -> None:
        token = self.token
        if token.kind == "string":
            parts = []
            while self.token.kind == "string":
                parts.append(_unescaped(self.token.text[1:-1]))
                self.next()
            message.fields.append(TextField(name, "".join(parts), line, quoted=True))
        elif token.kind in ("word", "number"):
            message.fields.append(TextField(name, token.text, line))
            self.next()
        else:
            raise self.wrong(token.at, f"expected a value for `{name}`")


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text

    def plain(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        return chr(int(code, 8)) if code.isdigit() and code < "8" else ESCAPES.get(code, code)

    return ESCAPE.sub(plain, text)


def _whole(text: "TextMessage | str") -> int | None:
    if not isinstance(text, str) or len(text) > 24:
        return None
    if re.fullmatch(r"[-+]?(0[xX][0-9a-fA-F]+|[1-9][0-9]*|0)", text):
        return int(text, 0)
    return int(text, 8) if re.fullmatch(r"[-+]?0[0-7]+", text) else None


def _shown(value: "TextMessage | str") -> str:
    if isinstance(value, TextMessage):
        return "a message in braces"
    return repr(value) if len(value) <= 40 else f"{value[:37]!r}..."
