"""Flight logs: one file a format, each `read_*(path, limits, progress) -> Flight`."""
