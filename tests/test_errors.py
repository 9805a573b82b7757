"""The errors, and the hints that their messages end in."""

import inspect
import math

import pytest

from inception_lens import errors
from inception_lens.errors import ConfigError, GraphError, InceptionLensError, MissingExtraError, ShapeError


def raised_here() -> list[type[Exception]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]


def test_one_base_catches_every_error_of_the_package() -> None:
    assert len(raised_here()) >= 7
    assert all(issubclass(kind, InceptionLensError) for kind in raised_here())
    assert all(inspect.getdoc(kind) for kind in raised_here())


def test_the_tree_in_the_docstring_names_every_error_below_its_base() -> None:
    lines = (errors.__doc__ or "").splitlines()
    depth = {kind: next(line.index(kind.__name__) for line in lines if kind.__name__ in line) for kind in raised_here()}
    for kind in raised_here():
        (base,) = kind.__bases__
        if base is not Exception:
            assert depth[kind] == depth[base] + 4


def test_a_shape_error_is_a_graph_error() -> None:
    assert issubclass(ShapeError, GraphError)
    assert not issubclass(ConfigError, GraphError)


def test_a_config_error_has_its_key() -> None:
    error = ConfigError("`stem.kernel` is 4", key="stem.kernel")
    assert (str(error), error.key) == ("`stem.kernel` is 4", "stem.kernel")
    assert ConfigError("nothing known").key == ""


def test_require_imports_an_installed_module() -> None:
    assert errors.require("math", extra="torch") is math


def test_require_reports_the_command_that_installs_a_missing_module() -> None:
    with pytest.raises(MissingExtraError) as error:
        errors.require("no_such_module_anywhere", extra="onnx")
    assert str(error.value) == (
        "this needs `no_such_module_anywhere`, which is not installed: pip install 'inception-lens[onnx]'"
    )


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("googlnet", ["googlenet", "resnet50"], " (did you mean `googlenet`?)"),
        ("GoogLeNet", ["googlenet"], " (did you mean `googlenet`?)"),
        ("relu", ["ReLU", "ELU", "Tanh"], " (did you mean `ReLU` or `ELU`?)"),
        ("zzz", ["floor", "ceil"], " (valid: floor, ceil)"),
        ("zzz", [], ""),
        ("zzz", [f"module_{i}" for i in range(24)], f" (valid: {', '.join(f'module_{i}' for i in range(24))})"),
        ("zzz", [f"module_{i}" for i in range(25)], ""),
    ],
)
def test_a_suggestion_contains_the_nearest_words_or_all_if_they_are_few(word: str, known: list[str], hint: str) -> None:
    assert errors.suggest(word, known) == hint
    assert errors.suggest(word, iter(known)) == hint


def test_very_long_names_are_not_searched_for_similar_ones() -> None:
    known = [f"{'p/' * 2_000}{i}" for i in range(2_000)]
    assert errors.suggest("p/" * 2_000, known) == ""
    assert errors.suggest("conv1", [*known, "conv2"]) == " (did you mean `conv2`?)"


def test_a_suggestion_contains_at_most_three_words() -> None:
    assert errors.suggest("conv1", [f"conv{i}" for i in range(2, 9)]).count("`") == 6
