"""`python -m spikehead` is `spikehead`."""

from spikehead.cli import main

main()
