"""The notation of blocks: the meaning of each form; any text is a block or a ConfigError."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inception_lens.architectures.catalogue import entries
from inception_lens.architectures.notation import (
    LEGEND,
    MAX_NUMBER,
    MAX_REPEATS,
    BlockSpec,
    Chain,
    StepSpec,
    parse_block,
)
from inception_lens.errors import ConfigError


def one(text: str) -> StepSpec:
    """The step of a block with a single step."""
    block = parse_block(text)
    assert block == BlockSpec(branches=block.branches)
    (((step,),),) = block.branches
    return step


def spelled(chain: Chain) -> list[list[tuple[str, Any]]]:
    return [[(step.kind, step.width) for step in same] for same in chain]


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_block(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("3x3 32", StepSpec(kind="conv", kernel=(3, 3), width=32)),
        ("1x7 128", StepSpec(kind="conv", kernel=(1, 7), width=128)),
        ("7x1 128", StepSpec(kind="conv", kernel=(7, 1), width=128)),
        ("3x3/2 32", StepSpec(kind="conv", kernel=(3, 3), stride=2, width=32)),
        ("3x3V 32", StepSpec(kind="conv", kernel=(3, 3), valid=True, width=32)),
        ("3x3/2V 32", StepSpec(kind="conv", kernel=(3, 3), stride=2, valid=True, width=32)),
        ("11x11/4p2 64", StepSpec(kind="conv", kernel=(11, 11), stride=4, padding=2, width=64)),
        ("3x3p0 64", StepSpec(kind="conv", kernel=(3, 3), padding=0, width=64)),
        ("all 768", StepSpec(kind="conv", kernel=None, width=768)),
        ("1x1 classes", StepSpec(kind="conv", kernel=(1, 1), width="classes")),
        ("1x1 8 lin", StepSpec(kind="conv", kernel=(1, 1), width=8, linear=True)),
        ("1x1 8 bare", StepSpec(kind="conv", kernel=(1, 1), width=8, bare=True)),
        ("1x1 8 bare lin", StepSpec(kind="conv", kernel=(1, 1), width=8, bare=True, linear=True)),
        ("1x1 8 lin bare", StepSpec(kind="conv", kernel=(1, 1), width=8, bare=True, linear=True)),
        ("sep 3x3 128", StepSpec(kind="sep", kernel=(3, 3), width=128)),
        ("sep 7x7/2*8 64 bare", StepSpec(kind="sep", kernel=(7, 7), stride=2, multiplier=8, width=64, bare=True)),
        ("max 3x3", StepSpec(kind="max", kernel=(3, 3))),
        ("max 3x3/2", StepSpec(kind="max", kernel=(3, 3), stride=2)),
        ("max 3x3/2p1", StepSpec(kind="max", kernel=(3, 3), stride=2, padding=1)),
        ("max 3x3/2V", StepSpec(kind="max", kernel=(3, 3), stride=2, valid=True)),
        ("max all", StepSpec(kind="max", kernel=None)),
        ("avg 5x5/3V", StepSpec(kind="avg", kernel=(5, 5), stride=3, valid=True)),
        ("avg", StepSpec(kind="global")),
        ("avg/2", StepSpec(kind="global", stride=2)),
        ("to 6x6", StepSpec(kind="to", kernel=(6, 6))),
        ("to? 7x5", StepSpec(kind="to?", kernel=(7, 5))),
        ("fc 4096", StepSpec(kind="fc", width=4096)),
        ("fc classes lin", StepSpec(kind="fc", width="classes", linear=True)),
        ("lrn", StepSpec(kind="lrn")),
        ("drop", StepSpec(kind="drop")),
        ("act", StepSpec(kind="act")),
        ("Logits/Conv2d_1c.a-1: 1x1 8", StepSpec(kind="conv", name="Logits/Conv2d_1c.a-1", kernel=(1, 1), width=8)),
        ("out: fc 8", StepSpec(kind="fc", name="out", width=8)),
    ],
)
def test_a_step(text: str, step: StepSpec) -> None:
    assert one(text) == step


def test_spaces_and_lines_do_not_matter() -> None:
    assert parse_block("  3x3/2   32\n") == parse_block("3x3/2 32")
    assert parse_block("1x1 1>3x3 2|max  3x3") == parse_block("1x1 1 > 3x3 2 | max 3x3")


def test_an_arrow_leads_to_the_next_step() -> None:
    (branch,) = parse_block("1x1 1 > lrn > 3x3 3").branches
    assert spelled(branch) == [[("conv", 1)], [("lrn", 1)], [("conv", 3)]]


def test_a_bar_divides_branches() -> None:
    branches = parse_block("1x1 1 | 1x1 2 > 3x3 3 | max 3x3").branches
    assert [spelled(branch) for branch in branches] == [
        [[("conv", 1)]],
        [[("conv", 2)], [("conv", 3)]],
        [[("max", 1)]],
    ]


def test_an_ampersand_joins_parallel_steps() -> None:
    (branch,) = parse_block("1x1 9 > 1x3 1 & 3x1 2 & max 3x3").branches
    assert spelled(branch) == [[("conv", 9)], [("conv", 1), ("conv", 2), ("max", 1)]]


@pytest.mark.parametrize(
    ("text", "residual", "repeats"),
    [
        ("1x1 8", None, 1),
        ("+ 1x1 8", 1.0, 1),
        ("+0.17 1x1 8", 0.17, 1),
        ("+.5 1x1 8", 0.5, 1),
        ("x10 1x1 8", None, 10),
        ("x10 + 1x1 8", 1.0, 10),
        (" x10  +0.1  1x1 8", 0.1, 10),
        (f"x{MAX_REPEATS} 1x1 8", None, MAX_REPEATS),
    ],
)
def test_the_prefix_of_a_block_gives_scale_and_repeats(text: str, residual: float | None, repeats: int) -> None:
    block = parse_block(text)
    assert (block.residual, block.repeats) == (residual, repeats)
    assert spelled(block.branches[0]) == [[("conv", 8)]]


def test_steps_after_the_double_arrow_follow_the_sum() -> None:
    block = parse_block("+ 1x1 8 | 3x3 9 => act > 1x1 4")
    assert spelled(block.tail) == [[("act", 1)], [("conv", 4)]]
    assert len(block.branches) == 2
    assert parse_block("+ 1x1 8 =>").tail == ()


@pytest.mark.parametrize(
    "step",
    [
        "3x4y 8",
        "1x1",  # no width
        "3x3/2",
        "sep 3x3",
        "fc",
        "3 8",
        "3x 8",
        "1x1 -8",
        "1x1 8.5",
        "1x1 8 lim",
        "1X1 8",
        "max",
        "max 3",
        "avg/",
        "to 6",
        "to? ",
        "drop 0.5",
        "act 6",
        "3x3/2Vp1 8",
        "nonsense",
        "maxpool 3x3",
        "1x1 ٣",  # digits, but not ASCII's
        "٣x٣ 8",
        "1x1 8 8",
        "name:1x1 8",  # no space after the colon
    ],
)
@pytest.mark.parametrize("form", ["{}", "1x1 4 > {}", "{} | max 3x3", "1x1 4 & {}", "+ 1x1 4 => {}"])
def test_an_invalid_step_is_named(step: str, form: str) -> None:
    assert refusal(form.format(step)).startswith(f"`{step.strip()}` is not a step: ")


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n", "|", ">", "1x1 64 |", "| 1x1 64", "1x1 64 >", "> 1x1 64", "1x1 64 & ", "1x1 64 > > 1x1 64",
     "1x1 64 || 1x1 64", "=> act", "=>", "+ ", "x2 ", "1x1 64 => act >"],
)  # fmt: skip
def test_a_missing_step_is_refused(text: str) -> None:
    assert refusal(text).startswith("`` is not a step: ")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("1x1 64 => act => act", "act ="),
        ("1x1 64 => act | act", "act | act"),
        ("+abc 1x1 64", "+abc 1x1 64"),
        ("+-1 1x1 64", "+-1 1x1 64"),
        ("+1e3 1x1 64", "+1e3 1x1 64"),
        ("++ 1x1 64", "++ 1x1 64"),
        ("+ x2 1x1 64", "x2 1x1 64"),  # repeats come first
        ("x2+ 1x1 64", "x2+ 1x1 64"),
        ("x-1 1x1 64", "x-1 1x1 64"),
        ("x٣ 1x1 64", "x٣ 1x1 64"),
        ("a: b: 1x1 64", "a: b: 1x1 64"),
    ],
)
def test_a_misplaced_part_is_named(text: str, named: str) -> None:
    assert refusal(text).startswith(f"`{named}` is not a step: ")


@pytest.mark.parametrize("scale", ["+.", "+1.2.3", "+..5"])
def test_a_scale_is_a_number(scale: str) -> None:
    assert refusal(f"{scale} 1x1 64") == f"`{scale}`: the scale of a residual is a number, such as +0.17"


@pytest.mark.parametrize("repeats", [0, MAX_REPEATS + 1, 99_999])
def test_repeats_are_bounded(repeats: int) -> None:
    assert refusal(f"x{repeats} 1x1 64") == f"`x{repeats}`: a block is repeated 1 to 1,000 times"


@pytest.mark.parametrize(
    "step",
    ["1x1 0", "0x1 8", "1x0 8", "1x1/0 8", "sep 3x3*0 8", "max 0x3", "max 3x3/0", "avg/0", "to 0x7", "to? 7x0", "fc 0",
     f"1x1 {MAX_NUMBER + 1}", f"{MAX_NUMBER + 1}x1 8", f"fc {MAX_NUMBER + 1}", f"1x1/{MAX_NUMBER + 1} 8", "1x1p0 0",
     f"1x1p{MAX_NUMBER + 1} 8"],
)  # fmt: skip
def test_numbers_are_bounded(step: str) -> None:
    assert refusal(f"1x1 8 > {step}") == f"`{step}`: kernels, strides and widths are from 1 to 65,536"


def test_the_largest_number_is_accepted() -> None:
    assert one(f"1x1 {MAX_NUMBER}").width == MAX_NUMBER


@pytest.mark.parametrize("name", ["two words", "a:b", "a*", "a" * 101, "a,", "`"])
def test_an_invalid_name_is_refused(name: str) -> None:
    assert refusal(f"{name}: 1x1 64") == f"`{name}` is not a step's name: use up to 100 letters, digits and `_/.-`"


def test_every_block_of_the_catalogue_is_valid() -> None:
    texts = {text for entry in entries() for text in getattr(entry.config, "blocks", {}).values()}
    assert len(texts) > 100
    for text in texts:
        block = parse_block(text)
        assert len(block.branches) == text.count("|") + 1
        assert (block.residual is not None) == ("+" in text)
        assert bool(block.tail) == ("=>" in text)


def test_the_examples_of_the_legend_are_valid() -> None:
    examples = [example for line in LEGEND.splitlines() for example, gap, _ in [line.partition("   ")] if gap]
    assert len(examples) == 5
    assert all(parse_block(example).branches for example in examples)


PIECES = [
    "1x1", "3x3", "64", "0", "9", "all", "sep", "max", "avg", "to", "to?", "fc", "classes", "lin", "bare", "lrn",
    "drop", "act", "V", "p1", "/2", "*8", "|", ">", "&", "+", "+0.17", "=>", "x2", "x", ".", ":", "a: ", " ", "  ",
]  # fmt: skip
pieces = st.lists(st.sampled_from(PIECES), max_size=40)
written = pieces.map("".join) | pieces.map(" ".join)
of_the_alphabet = st.text("0123456789x/*pV|>&+=.:? abcdefilmnorstuv_-", max_size=200)
anything = st.text(max_size=200)


@settings(max_examples=500, deadline=None)
@given((written | of_the_alphabet | anything).map(lambda text: text[:200]))
@example("x" * 200)
@example(" " * 199 + "?")
@example("1x1 1" + " lin" * 48)
@example("1" * 99 + "x" + "1" * 99)
@example("+" + "9" * 100 + "." + "9" * 98)
@example("x000001 + " + "1x1 1|" * 31)
def test_any_text_is_a_block_or_a_config_error(text: str) -> None:
    try:
        block = parse_block(text)
    except ConfigError as error:
        message = str(error)
    else:
        message = "read"
        assert len(block.branches) == text.partition("=>")[0].count("|") + 1
    assert message


numbers = st.integers(1, MAX_NUMBER)
kernels = st.tuples(numbers, numbers)
widths = numbers | st.just("classes")
windows: dict[str, Any] = {"kernel": kernels, "stride": numbers, "padding": st.none() | st.integers(1, MAX_NUMBER)}
steps = st.one_of(
    st.builds(StepSpec, kind=st.just("conv"), width=widths, linear=st.booleans(), bare=st.booleans(), **windows),
    st.builds(StepSpec, kind=st.just("sep"), width=widths, multiplier=numbers, linear=st.booleans(), **windows),
    st.builds(StepSpec, kind=st.sampled_from(["max", "avg"]), **windows),
    st.builds(StepSpec, kind=st.just("global"), stride=numbers),
    st.builds(StepSpec, kind=st.sampled_from(["to", "to?"]), kernel=kernels),
    st.builds(StepSpec, kind=st.just("fc"), width=widths, linear=st.booleans()),
    st.builds(StepSpec, kind=st.sampled_from(["lrn", "drop", "act"]), name=st.sampled_from(["", "a", "b/c-1"])),
)
blocks = st.builds(
    BlockSpec,
    branches=st.lists(
        st.tuples(
            st.lists(steps.map(lambda step: (step,)), max_size=2),
            st.lists(steps, min_size=1, max_size=3).map(tuple),  # parallel steps only at the end of a branch
        ).map(lambda parts: (*parts[0], parts[1])),
        min_size=1,
        max_size=3,
    ).map(tuple),
    tail=st.lists(steps.map(lambda step: (step,)), max_size=2).map(tuple),
    residual=st.sampled_from([None, 1.0, 0.17]),
    repeats=st.integers(1, MAX_REPEATS),
)


def in_the_notation(step: StepSpec) -> str:
    kernel = f"{step.kernel[0]}x{step.kernel[1]}" if step.kernel else ""
    stride = f"/{step.stride}" if step.stride > 1 else ""
    multiplier = f"*{step.multiplier}" if step.multiplier > 1 else ""
    padding = f"p{step.padding}" if step.padding is not None else ""
    window = f"{kernel}{stride}{multiplier}{padding}"
    width = f" {step.width}{' bare' * step.bare}{' lin' * step.linear}"
    name = f"{step.name}: " if step.name else ""
    match step.kind:
        case "conv":
            return f"{name}{window}{width}"
        case "global":
            return f"{name}avg{stride}"
        case "fc":
            return f"{name}fc{width}"
        case "sep":
            return f"{name}sep {window}{width}"
    return f"{name}{step.kind} {window}".strip()


@settings(max_examples=60, deadline=None)
@given(blocks)
def test_a_written_block_reads_back_equal(block: BlockSpec) -> None:
    branches = " | ".join(
        " > ".join(" & ".join(map(in_the_notation, same)) for same in branch) for branch in block.branches
    )
    tail = " > ".join(in_the_notation(step) for (step,) in block.tail)
    scale = "" if block.residual is None else f"+{block.residual} "
    assert parse_block(f"x{block.repeats} {scale}{branches} => {tail}") == block


@pytest.mark.parametrize("step", [f"1x1 {'9' * 5_000}", f"{'9' * 5_000}x1 8", f"1x1p{'9' * 5_000} 8"])
def test_a_number_with_thousands_of_digits_is_not_a_step(step: str) -> None:
    assert "is not a step: write one such as" in refusal(step)


@pytest.mark.parametrize("step", ["3x3*8 64", "max 3x3*2", "3x3p1V 4"])
def test_a_modifier_without_effect_is_refused(step: str) -> None:
    assert "is not a step: write one such as" in refusal(step)


@pytest.mark.parametrize("text", ["1x1 2 & 3x3 4 > 1x1 8", "1x1 2 => 1x1 2 & 3x3 4"])
def test_only_a_concatenation_reads_parallel_steps(text: str) -> None:
    assert refusal(text).startswith("`&` joins the last steps of a branch")
