"""The arguments of a call."""
