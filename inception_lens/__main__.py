"""`python -m inception_lens` is the command `inception-lens`."""

from inception_lens.cli import main

main()
