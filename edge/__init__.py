"""The agent of one gateway: sources → spool (on disk) → uplink.

Importing this package loads no heavy library, so that `aid4 edge status` answers at once on a small gateway.
"""
