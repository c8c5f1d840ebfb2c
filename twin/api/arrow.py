"""Arrow IPC streams as answers."""

import pyarrow as pa
from starlette.responses import Response

__all__ = ["ARROW_MEDIA", "arrow_response"]

ARROW_MEDIA = "application/vnd.apache.arrow.stream"


def arrow_response(table: pa.Table) -> Response:
    """A table as one stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=65_536)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW_MEDIA)
