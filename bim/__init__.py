"""Building models: elements, spaces and properties of an IFC file, and the binding of points to them.

Importing this package loads no IFC library; only the child process of `bim.child` does.
"""
