"""Brick: what each point and each piece of equipment is, in the words of brickschema.org.

| file | what |
|---|---|
| `equipment` | IFC classes as Brick classes |
| `tags` | the tags of a class |
| `export` | a model and its points as Turtle, with `ref:ifcGlobalID` |
| `points` | a point as a Brick file names it |
| `read` | points of a Brick file, and the elements that it says they belong to |

The names hold in Brick 1.4 and 1.5; a test compares them with the vocabulary that the package brickschema carries.
"""
