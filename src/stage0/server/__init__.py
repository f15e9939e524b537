"""HTTP: one file per resource. Reads requests, asks the engine, writes answers; decides nothing."""
