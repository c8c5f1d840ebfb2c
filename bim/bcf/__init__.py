"""BCF: issues about elements of a model, with the view that shows them, to and from other people's tools.

| file | what |
|---|---|
| `topics` | a topic with its comments and viewpoints, whatever version it came in |
| `archive` | a .bcfzip from a stranger: bounded, nothing unpacked to disk |
| `read`, `read_view` | BCF 1.0, 2.0, 2.1 and 3.0 into topics |
| `write`, `write_view` | topics into BCF 3.0; the same topics give the same bytes |
| `boxes`, `boxes_child` | where elements are, from their geometry, in a child process |
| `camera` | a camera that looks at a box |
| `issues` | topics from a list of issues, or from what a check found |
| `cli` | `aid4 bim bcf out|in` |

Coordinates are metres in the world system of the IFC files (placements resolved, no map conversion), as BCF wants:
cameras in map coordinates stand hundreds of kilometres away in every other tool.
"""
