"""The twin's core: ingest, store, state and the API over them.

| layer | file | what it owns |
|---|---|---|
| protocol | `reconcile`, `presence` | which records are new, what is acknowledged, who is served; pure |
| intake | `ingest`, `absorb`, `quarantine` | from the broker to one transaction |
| writing | `writer`, `database`, `migrations/` | the one DuckDB connection that writes |
| storage | `store`, `cold`, `compaction`, `retention`, `backup` | warm rows, Parquet files, their manifest |
| points | `points` | global ids |
| reading | `state`, `history`, `asof` | latest values, ranges, any moment |
"""
