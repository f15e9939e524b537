"""Goals and descriptions, by grammar and words."""
