"""`python -m ops` is `tandem`."""

from ops.cli import main

main()
