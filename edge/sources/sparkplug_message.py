"""The payload of Sparkplug B 3.0 as a table of its fields, and protobuf classes made from it at import.

The numbers and types are those of the published specification (§6.4); no generated code of others is included. The
decoder is protobuf's own: it refuses truncated fields, wrong wire types and nesting deeper than a hundred.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from wire.errors import Aid4Error

__all__ = ["PAYLOAD_BYTES_MAX", "TYPES", "Payload", "PayloadError", "TypeName", "decode"]

PAYLOAD_BYTES_MAX: Final = 4 << 20  # a birth of 10,000 metrics with properties has 1 MB

TypeName = str

# Every data type by its number (§6.4.16)
TYPES: Final[dict[int, TypeName]] = {
    0: "Unknown", 1: "Int8", 2: "Int16", 3: "Int32", 4: "Int64", 5: "UInt8", 6: "UInt16", 7: "UInt32", 8: "UInt64",
    9: "Float", 10: "Double", 11: "Boolean", 12: "String", 13: "DateTime", 14: "Text", 15: "UUID", 16: "DataSet",
    17: "Bytes", 18: "File", 19: "Template", 20: "PropertySet", 21: "PropertySetList", 22: "Int8Array",
    23: "Int16Array", 24: "Int32Array", 25: "Int64Array", 26: "UInt8Array", 27: "UInt16Array", 28: "UInt32Array",
    29: "UInt64Array", 30: "FloatArray", 31: "DoubleArray", 32: "BooleanArray", 33: "StringArray", 34: "DateTimeArray",
}  # fmt: skip

# message: fields as "name number type", "*" for repeated, "|" for one of the value
_SCALARS: Final = (
    "int_value {0} uint32 |, long_value {1} uint64 |, float_value {2} float |, double_value {3} double |, \
boolean_value {4} bool |, string_value {5} string |"
)
_MESSAGES: Final = {
    "Row": "elements 1 Cell *",
    "Cell": _SCALARS.format(1, 2, 3, 4, 5, 6),
    "DataSet": "num_of_columns 1 uint64, columns 2 string *, types 3 uint32 *, rows 4 Row *",
    "Parameter": "name 1 string, type 2 uint32, " + _SCALARS.format(3, 4, 5, 6, 7, 8),
    "Template": (
        "version 1 string, metrics 2 Metric *, parameters 3 Parameter *, template_ref 4 string, is_definition 5 bool"
    ),
    "PropertyValue": (
        "type 1 uint32, is_null 2 bool, "
        + _SCALARS.format(3, 4, 5, 6, 7, 8)
        + ", propertyset_value 9 PropertySet |, propertysets_value 10 PropertySetList |"
    ),
    "PropertySet": "keys 1 string *, values 2 PropertyValue *",
    "PropertySetList": "propertyset 1 PropertySet *",
    "MetaData": (
        "is_multi_part 1 bool, content_type 2 string, size 3 uint64, seq 4 uint64, file_name 5 string, "
        "file_type 6 string, md5 7 string, description 8 string"
    ),
    "Metric": (
        "name 1 string, alias 2 uint64, timestamp 3 uint64, datatype 4 uint32, is_historical 5 bool, "
        "is_transient 6 bool, is_null 7 bool, metadata 8 MetaData, properties 9 PropertySet, "
        + _SCALARS.format(10, 11, 12, 13, 14, 15)
        + ", bytes_value 16 bytes |, dataset_value 17 DataSet |, template_value 18 Template |"
    ),
    "Payload": "timestamp 1 uint64, metrics 2 Metric *, seq 3 uint64, uuid 4 string, body 5 bytes",
}
_PACKAGE: Final = "aid4.sparkplug"
_ONEOF: Final = "value"


class PayloadError(Aid4Error):
    """Bytes that are no payload."""


def decode(raw: bytes) -> Any:
    """The payload (`timestamp`, `metrics`, `seq`, …; see the table) in `raw`; PayloadError when it is none."""
    if len(raw) > PAYLOAD_BYTES_MAX:
        raise PayloadError(f"{len(raw)} bytes, at most {PAYLOAD_BYTES_MAX}")
    try:
        return Payload.FromString(raw)
    except (DecodeError, UnicodeDecodeError) as error:
        raise PayloadError(str(error)) from error


def _classes() -> dict[str, Any]:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="aid4_sparkplug.proto", package=_PACKAGE, syntax="editions")
    file.edition = descriptor_pb2.EDITION_2023  # presence as in proto2, and texts that are not UTF-8 are refused
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields.split(", "):
            field, number, kind, *marks = text.split()
            made = message.field.add(name=field, number=int(number), label=kinds.LABEL_OPTIONAL)
            if kind in _MESSAGES:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                made.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
            if "*" in marks:
                made.label = kinds.LABEL_REPEATED
            if "|" in marks:
                if not message.oneof_decl:
                    message.oneof_decl.add(name=_ONEOF)
                made.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


Payload: Any = _classes()["Payload"]
