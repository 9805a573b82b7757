"""Recipes from files and the command line, and the errors in them."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from inception_lens.cli.training.networks import networks_of, self_contained
from inception_lens.errors import ConfigError
from inception_lens.training.optimizers import learning_rate
from inception_lens.training.recipe import DIGITS, Optimizer, Recipe
from inception_lens.training.recipe_file import nested_settings, read_recipe, to_toml, with_changes

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
RECIPES = ("digits", "paddle", "paper", "caffe_quick", "modern")


@pytest.mark.parametrize("name", RECIPES)
def test_every_example_is_read_and_its_network_is_built(name: str) -> None:
    recipe = read_recipe(str(EXAMPLES / f"{name}.toml"))
    assert with_changes(Recipe(), tomllib.loads(to_toml(recipe))) == recipe
    found = networks_of(recipe, 102)
    assert found.classes == 102
    assert len(found.training.outputs) == 3
    assert len(found.inference.outputs) == 1


def test_the_defaults_for_digits_are_the_example() -> None:
    assert read_recipe(str(EXAMPLES / "digits.toml")) == DIGITS


def test_the_paddle_recipe_has_the_rates_of_paddle() -> None:
    recipe = read_recipe(str(EXAMPLES / "paddle.toml"))
    batch, samples = 128, 6149
    assert recipe.optimizer == Optimizer(
        learning_rate=batch * 0.01 / 128, nesterov=False, weight_decay=0.0005 * 128 / batch, decay="all"
    )
    steps = samples // batch
    assert {learning_rate(recipe, step, steps) for step in range(0, 200 * steps, 97)} == {0.01}
    assert learning_rate(recipe, 128_000 * 35 // batch, steps) == pytest.approx(0.001)


def test_the_command_line_changes_keys() -> None:
    recipe = with_changes(
        DIGITS, nested_settings({"optimizer.momentum": "0.8", "engine.compile": "true", "epochs": "3"}), lax=True
    )
    assert (recipe.optimizer.momentum, recipe.engine.compile, recipe.epochs) == (0.8, True, 3)
    assert recipe.network == DIGITS.network
    assert with_changes(DIGITS, nested_settings({"augmentation.area": "0.2,0.9"}), lax=True).augmentation.area == (
        0.2,
        0.9,
    )
    assert with_changes(DIGITS, {"loss": {"auxiliary": 0.5}}).loss.auxiliary == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", ":1: `epoch` is not a key (did you mean `epochs`"),
        ("\n[optimizer]\nmomentun = 0.9", ":3: `optimizer.momentun` is not a key (did you mean `momentum`"),
        ("[optimizer]\nname = 'adam'", ":2: `optimizer.name` is 'adam'"),
        ("batch = 0", "`batch` is 0"),
        ("batch = 10\n[engine]\naccumulate = 3", "`batch` is 10, which is not divisible by `engine.accumulate` = 3"),
        ("[augmentation]\narea = [0.0, 1.0]", "`augmentation.area` is [0.0, 1.0]"),
        ("[augmentation]\naspect = [2.0, 1.0]", "`augmentation.aspect` is [2.0, 1.0]"),
        ("[schedule]\nname = 'step'\nevery_epochs = 0", "`schedule.every_epochs` is 0"),
        ("[engine]\ngraphs = true\naccumulate = 2", "exclude each other"),
        ("[engine]\ndevice = 'tpu'", "`engine.device` is 'tpu'"),
        ("network = 3", "`network` is 3"),
        ("model = ", "not valid TOML"),
    ],
)
def test_an_invalid_recipe_is_reported_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_recipe(str(path))
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_contents_of_a_config_are_stored_in_the_recipe(tmp_path: Path) -> None:
    config = tmp_path / "net.toml"
    config.write_text('base = "googlenet@torchvision"\nwidth = 0.5\n[modules.inception_3a]\n5x5_reduce = 24\n')
    recipe = Recipe(model=str(config), network={"input": "3x64x64"})
    own = with_changes(Recipe(), tomllib.loads(to_toml(self_contained(recipe))))
    assert own.model == "googlenet@torchvision"
    config.unlink()
    found = networks_of(own, 5)
    assert (found.shape, found.classes) == ((3, 64, 64), 5)
    assert found.inference["inception_3a/5x5_reduce"].op == msgspec.structs.replace(
        found.inference["inception_3a/5x5_reduce"].op, out_channels=12
    )


def test_a_removed_module_stays_removed(tmp_path: Path) -> None:
    config = tmp_path / "net.toml"
    config.write_text('base = "googlenet"\naux = []\n[modules]\ninception_5b = "none"\n')
    recipe = Recipe(model=str(config), network={"aux": "none"})
    before, after = networks_of(recipe, 7), networks_of(self_contained(recipe), 7)
    assert before.training == after.training
    assert not [node for node in after.inference.nodes if "inception_5b" in node.name]


def test_a_setting_that_is_a_value_and_a_table_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`seed` is '3', but `seed\.x` needs a table"):
        nested_settings({"seed": "3", "seed.x": "4"})
