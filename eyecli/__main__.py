"""``python -m eyecli``."""

from eyecli.cli.main import main

main()
