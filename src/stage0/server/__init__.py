"""HTTP: one file per resource. Reads requests, asks the ledger, writes answers; decides nothing."""
