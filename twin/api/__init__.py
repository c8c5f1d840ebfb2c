"""HTTP and WebSocket of the twin: one file a family of calls, one table of operations, one shape of errors."""
