"""The field's knowledge as data, its loader and its version."""
