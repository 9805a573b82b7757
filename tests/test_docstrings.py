"""The examples in docstrings run and print what they show."""

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest
import torch

import inception_lens as il

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FINDER = doctest.DocTestFinder(exclude_empty=True)


def modules() -> list[str]:
    found = pkgutil.walk_packages(il.__path__, "inception_lens.")
    return ["inception_lens", *(each.name for each in found if not each.name.endswith("__main__"))]


def examples(module: ModuleType) -> list[doctest.DocTest]:
    return [each for each in FINDER.find(module, module.__name__, extraglobs={"torch": torch}) if each.examples]


@pytest.mark.parametrize("name", modules())
def test_examples(name: str) -> None:
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for each in examples(importlib.import_module(name)):
        runner.run(each)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("name", [name for name in il.__all__ if inspect.isfunction(getattr(il, name))])
def test_every_function_of_the_front_door_has_one(name: str) -> None:
    assert ">>>" in (inspect.getdoc(getattr(il, name)) or "")
