"""What the twin knows, written into a copy of the IFC file: sensors with their points, actual dates, verdicts.

| file | what |
|---|---|
| `rows` | what to write, and the files that say it |
| `psets` | property sets of one element, made or mended |
| `sensors` | points as sensors in their rooms, or as keys on the element that they belong to |
| `progress` | actual dates of tasks; actual dates and verdicts of elements |
| `child` | the process that writes, then compares what ifcopenshell.validate says of original and copy |
| `run` | `write_back`: run it, read the copy again with our own reader, and only then give it its name |
| `cli` | `aid4 bim writeback` |

The original is never opened for writing. GlobalIds follow from the point's key: writing twice changes nothing.
"""
