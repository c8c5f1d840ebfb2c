"""What a gateway does with readings before they are kept: scale, thin, derive, and act by local rules.

All of it works without the twin. The tables stand in the agent's configuration, see `edge.processing.config`.
"""
