"""MAVLink 1 and 2: frames, checksums, signatures and payloads, decoded in batches into Arrow.

`window.decode_window` is the vectorised form for logs, `stream.MavlinkStream` the same for a live link; the field
tables come from the installed pymavlink (ADR 0016). Values are those on the wire, in the units of the dialect.
"""
