"""The decision point's pure core: no clock, files, network, environment or randomness."""
