"""`python -m gof VERB ...`."""

from gof.cli.main import main

main()
