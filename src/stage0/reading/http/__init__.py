"""HTTP: what an address says, what a request asks for, and GraphQL, whoever sends it."""
