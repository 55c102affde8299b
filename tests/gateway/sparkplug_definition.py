"""Sparkplug B as Google's protocol buffers read and write it: a decoder that is not ours.

The tables are the message definition of the Eclipse Sparkplug Specification 3.0.0, 6.4.1, copied out a
second time: nothing here comes from the code under test.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

__all__ = ["PAYLOAD", "DecodeError", "Message"]

_ONEOF = "int uint32, long uint64, float float, double double, boolean bool, string string"
_MESSAGES = {
    "Payload": "timestamp 1 uint64, metrics 2 *Metric, seq 3 uint64, uuid 4 string, body 5 bytes",
    "Metric": "name 1 string, alias 2 uint64, timestamp 3 uint64, datatype 4 uint32, is_historical 5 bool,"
    " is_transient 6 bool, is_null 7 bool, metadata 8 MetaData, properties 9 PropertySet",
    "MetaData": "is_multi_part 1 bool, content_type 2 string, size 3 uint64, seq 4 uint64,"
    " file_name 5 string, file_type 6 string, md5 7 string, description 8 string",
    "PropertySet": "keys 1 *string, values 2 *PropertyValue",
    "PropertyValue": "type 1 uint32, is_null 2 bool",
}
_VALUES = {"Metric": 10, "PropertyValue": 3}  # the first number of the oneof "value"


def _field(name: str, number: int, kind: str) -> descriptor_pb2.FieldDescriptorProto:
    it = descriptor_pb2.FieldDescriptorProto
    repeated, kind = kind.startswith("*"), kind.lstrip("*")
    field = it(name=name, number=number, label=it.LABEL_REPEATED if repeated else it.LABEL_OPTIONAL)
    if kind[0].isupper():
        field.type, field.type_name = it.TYPE_MESSAGE, f".sparkplug.{kind}"
    else:
        field.type = getattr(it, f"TYPE_{kind.upper()}")
    return field


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug_b.proto", package="sparkplug", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for each in fields.split(", "):
            field, number, kind = each.split()
            message.field.append(_field(field, int(number), kind))
        if first := _VALUES.get(name):
            message.oneof_decl.add(name="value")
            for number, each in enumerate(_ONEOF.split(", "), first):
                kind, on_wire = each.split()
                field_ = _field(f"{kind}_value", number, on_wire)
                field_.oneof_index = 0
                message.field.append(field_)
    return file


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())

PAYLOAD: type[Message] = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("sparkplug.Payload"))
