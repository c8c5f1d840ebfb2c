"""What became of each element from one revision of a model to the next, also where its GlobalId changed.

Exporters write new GlobalIds for old elements, and then everything that was bound to the old ones hangs in the air.

| file | what |
|---|---|
| `keys` | what an element says of itself, as keys from the most to the least telling |
| `nearest` | copies of one thing, told apart by where they stand |
| `match` | `match`: the pairs of two revisions, one to one, and what is in doubt |

`twin/model_names.py` keeps the changed ids, so that bindings, links and bookmarks follow.
"""
