"""Other languages that are embedded in arguments."""
