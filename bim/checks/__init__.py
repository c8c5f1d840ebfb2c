"""Is a model fit for its use? What its owner asks for (IDS), and what no model should have.

| file | what |
|---|---|
| `ids` | an IDS file against a model, in a child process: `check_ids` |
| `ids_child` | that child: ifctester, its HTML report, and the report of ours as JSON |
| `sanity` | checks that need no IDS, over the tables of a model: `sanity` |
| `cli` | `aid4 bim check` |
"""
