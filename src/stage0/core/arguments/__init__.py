"""Reading a call's arguments with a parser for each kind: one file a kind, listed in `read.py`."""
