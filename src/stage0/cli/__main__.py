"""`python -m stage0.cli`: the command line, where its script is not at hand."""

from __future__ import annotations

from stage0.cli import main

main()
