"""Several IFC files of one site become one model: one set of tables, in the coordinates of the first file.

| file | what |
|---|---|
| `parts` | one file with its tables, and where the site's configuration says it lies |
| `alignment` | how a part's coordinates become those of the first file, how sure that is, and what speaks against it |
| `places` | which project, site, building, storey and space of a part are those of the model already |
| `duplicates` | one GlobalId in two files: the same element, or two that clash |
| `merge` | `federate`: all of it in one pass over the parts |

The order of the files is their authority: what an earlier one says stands. Nothing here needs the IFC library.
"""
