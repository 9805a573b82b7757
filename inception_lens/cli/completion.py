"""`inception-lens completion`: the completion of commands, options and models in a shell."""

import click
from click.shell_completion import get_completion_class

from inception_lens.cli.output import write


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL; for bash, eval "$(inception-lens completion bash)"."""
    root = ctx.find_root()
    name = root.info_name or ""
    found = get_completion_class(shell)
    assert found is not None
    script = found(root.command, {}, name, f"_{name.replace('-', '_').upper()}_COMPLETE")
    # Bash splits words at the @ of googlenet@torchvision by default.
    prelude = "COMP_WORDBREAKS=${COMP_WORDBREAKS//@}\n" if shell == "bash" else ""
    write(f"{prelude}{script.source()}\n", None)
