"""The page and the figures at the end of a run."""
from inception_lens.training.networks import Networks
from inception_lens.training.run_folder import RunFolder


def write_page(folder: RunFolder, networks: Networks) -> None:
    pass
