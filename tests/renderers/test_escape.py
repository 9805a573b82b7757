"""Names are text in every format."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_lens.renderers.escape import csv_text, html_text, latex_text, markdown_text, printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("inception_3a/5x5_reduce", "inception_3a/5x5_reduce"),
        ("größe 5×5", "größe 5×5"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2028", r"\u2028"),
        ("\udcff", r"\udcff"),
    ],
)
def test_a_control_character_is_written_out(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.text())
def test_what_is_printable_stays_so(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


@pytest.mark.parametrize("first", ["=", "+", "-", "@"])
def test_a_spreadsheet_runs_no_cell(first: str) -> None:
    assert csv_text(f"{first}cmd()") == f"'{first}cmd()"


def test_a_cell_holds_no_control_characters() -> None:
    assert csv_text("a\rb\x1b[31m") == r"a\rb\x1b[31m"


@pytest.mark.parametrize("name", ["", "conv1/7x7_s2", "a=b", "1-2"])
def test_a_plain_cell_is_unchanged(name: str) -> None:
    assert csv_text(name) == name


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("|", r"\|"),
        ("conv1_a", r"conv1\_a"),
        ("<img onerror=x>", r"\<img onerror=x\>"),
        ("[a](javascript:x)", r"\[a\](javascript\:x)"),
        ("`x`", r"\`x\`"),
        ("&lt;", r"\&lt;"),
        ("a\nb", r"a\\nb"),
        ("**~~", r"\*\*\~\~"),
        ("name: text", "name: text"),
    ],
)
def test_names_have_no_meaning_in_markdown(name: str, escaped: str) -> None:
    assert markdown_text(name) == escaped


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("5x5_reduce", r"5x5\_reduce"),
        ("50 % & $1 #2", r"50 \% \& \$1 \#2"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("<>", r"\textless{}\textgreater{}"),
        ("a\nb", r"a\textbackslash{}nb"),
    ],
)
def test_names_have_no_meaning_in_tex(name: str, escaped: str) -> None:
    assert latex_text(name) == escaped


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("<b onclick='x'>", "&lt;b onclick=&#x27;x&#x27;&gt;"),
        ('&lt;"', "&amp;lt;&quot;"),
        ("\x00", r"\x00"),
    ],
)
def test_names_have_no_meaning_in_html(name: str, escaped: str) -> None:
    assert html_text(name) == escaped


@given(st.text(st.sampled_from("\\&%$#_{}~^<>ab\n")))
def test_every_special_of_tex_is_escaped(text: str) -> None:
    rest = latex_text(text)
    for command in (
        r"\textbackslash{}",
        r"\textasciitilde{}",
        r"\textasciicircum{}",
        r"\textless{}",
        r"\textgreater{}",
    ):
        rest = rest.replace(command, "")
    for special in [r"&", r"%", r"$", r"#", r"_", r"{", r"}"]:
        rest = rest.replace(f"\\{special}", "")
    assert not set(rest) & set("\\&%$#_{}~^<>\n")
