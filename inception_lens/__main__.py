"""The process of the command `inception-lens`, also as `python -m inception_lens`."""

import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run the command and exit."""
    gc.disable()  # what imports create stays: `cli` enables the search for cycles when the command's own are done
    from inception_lens import cli

    cli.main()


if __name__ == "__main__":
    main()
