"""The Arrow tables of one model, as the child writes them and everybody else reads them.

Lengths are metres, areas m2, volumes m3, angles degrees; coordinates are those of the model (not of the Earth).
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

__all__ = ["ELEMENTS", "PSETS", "RELATIONS", "read_table", "table_of", "write_table"]

# category: project | spatial | element | opening | port | group | other
# role: sensor | actuator | controller | alarm | meter | "" (from the class, the IFC2X3 type, or Pset_AID4)
# space_how: contained | referenced | flow | position | "" ; storey_how: contained | space | ""
ELEMENTS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # GlobalId
        pa.field("step", pa.uint32(), nullable=False),  # instance number in the file
        pa.field("type", pa.string(), nullable=False),  # IfcSpace, IfcSensor, …
        pa.field("category", pa.string(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("predefined", pa.string(), nullable=False),  # of the occurrence, else of its type
        pa.field("name", pa.string(), nullable=False),
        pa.field("long_name", pa.string(), nullable=False),
        pa.field("description", pa.string(), nullable=False),
        pa.field("object_type", pa.string(), nullable=False),
        pa.field("tag", pa.string(), nullable=False),
        pa.field("parent", pa.string()),  # what holds it: container, whole, host, in this order
        pa.field("storey", pa.string()),
        pa.field("storey_how", pa.string(), nullable=False),
        pa.field("space", pa.string()),
        pa.field("space_how", pa.string(), nullable=False),
        pa.field("type_id", pa.string()),  # GlobalId of its type object
        pa.field("type_class", pa.string(), nullable=False),  # IfcSensorType, …
        pa.field("type_name", pa.string(), nullable=False),
        pa.field("x_m", pa.float64()),
        pa.field("y_m", pa.float64()),
        pa.field("z_m", pa.float64()),
        pa.field("elevation_m", pa.float64()),  # of a storey
        pa.field("footprint_m", pa.list_(pa.float64())),  # of a space: x0, y0, x1, y1, … of its outline
        pa.field("z_min_m", pa.float64()),  # of a space
        pa.field("z_max_m", pa.float64()),
        pa.field("has_shape", pa.bool_(), nullable=False),
        pa.field("materials", pa.list_(pa.string()), nullable=False),
        pa.field("classifications", pa.list_(pa.string()), nullable=False),  # system:code
        pa.field("point_keys", pa.list_(pa.string()), nullable=False),  # Pset_AID4.PointKey
        pa.field("devices", pa.list_(pa.string()), nullable=False),  # Pset_AID4.Device
        pa.field("brick", pa.string(), nullable=False),  # Brick class
        pa.field("shape", pa.string(), nullable=False),  # fingerprint, see bim/shape_hash.py; "" without a shape
        pa.field("source", pa.string(), nullable=False),  # the file it comes from; "" where there is only one
    ]
)

# kind: property | quantity; source: occurrence | type (an occurrence's own value replaces that of its type)
PSETS = pa.schema(
    [
        pa.field("element", pa.string(), nullable=False),
        pa.field("pset", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),  # as the file writes it, lists as JSON
        pa.field("number", pa.float64()),  # in `unit`
        pa.field("unit", pa.string(), nullable=False),  # UCUM, "" when it has none
        pa.field("value_type", pa.string(), nullable=False),  # IfcLengthMeasure, …
        pa.field("kind", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
    ]
)

# kind: see RELATION_KINDS of bim/relations.py; the source is the one that holds, the target the one that is held
RELATIONS = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
    ]
)


def table_of(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows of dicts as a table; a missing key is null."""
    return pa.Table.from_pylist(rows, schema=schema)


def write_table(table: pa.Table, path: Path) -> None:
    """One Arrow IPC file."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read what write_table wrote; raises pa.ArrowInvalid when it is not this schema or not whole."""
    with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source) as reader:
        table = reader.read_all()
    if not table.schema.equals(schema):
        raise pa.ArrowInvalid(f"{path.name} has another schema")
    table.validate(full=True)
    return table
