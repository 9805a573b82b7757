"""The templates of HTML pages, and the scripts and styles that pages contain."""

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


def template(name: str) -> "Template":
    """A template of `assets/`, which escapes every value."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("inception_lens.renderers", "assets"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


def asset(name: str) -> str:
    """The text of a file of `assets/`."""
    return files("inception_lens.renderers").joinpath("assets", name).read_text(encoding="utf-8")
