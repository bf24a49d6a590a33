"""All runs in DuckDB: reading logs into tables, answering questions."""
