"""What holds between the channels of a machine while it is sound, learned and watched like any other stream.

| file | holds |
|---|---|
| `relations.toml` | the indices: formulas over roles of points; read this to add one |
| `table.py` | reads and checks them |
| `plan.py` | which devices have which of them |
| `inputs.py` | values of a row: means, changes, runs, medians of peers |
| `baseline.py` | what is expected at this operating point, and how sure that is |
| `group.py` | deviations in decades, within the budget |
| `watch.py` | all of it, as the scorer uses it |
"""
