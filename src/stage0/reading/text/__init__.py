"""Letters: folding, disguises, encodings, formats of secrets."""
