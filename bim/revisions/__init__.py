"""What became of each element from one revision of a model to the next, also where its GlobalId changed.

Exporters write new GlobalIds for old elements, and then everything that was bound to the old ones hangs in the air.
`match` pairs the elements of two revisions one to one; `changes` says what is new, gone, renamed, moved and re-guided.
"""
