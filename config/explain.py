"""Checks plain values against a shape, and says what is wrong in the words of the file.

Everything is checked in one go: what is wrong is noted and taken out, and what is left goes on to the
checks of what refers to what.
"""

import copy
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypeVar, cast

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import WithDefaultSchema

from sitewarden.config.document import Document, Key, Loc, Plain
from sitewarden.config.errors import did_you_mean, one_of
from sitewarden.config.types import Shape

S = TypeVar("S", bound=Shape)
Schema = Mapping[str, object]

EXPECTED: Mapping[str, str] = {
    "string_type": "a text",
    "string_unicode": "a text of valid characters",
    "int_type": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_too_short": "a text that is not empty",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "value_error": "{error}",
}
"""What is expected, by pydantic's type of error, from its own parameters."""


def shaped(document: Document, shape: type[S], standins: Plain = None) -> S | None:
    """The document as a shape, without what is wrong: that is noted, and its key is taken out. What is
    then required and missing gets its stand-in ("*" is any key), or else goes with what is around it.
    None if nothing can be saved.
    """
    plain = copy.deepcopy(document.plain)
    while True:
        try:
            return shape.model_validate(plain)
        except ValidationError as error:
            mistakes = error.errors(include_url=False, include_input=False)
        mended = False
        for mistake in mistakes:
            loc, place = _place(shape, mistake["loc"], mistake["type"])
            _note(document, loc, place, mistake)
            if mistake["type"] == "missing":
                mended |= _stand_in(plain, loc, standins) or _remove(plain, loc[:-1])
            else:
                mended |= _remove(plain, loc)
        if not mended:
            return None


def _remove(plain: Plain, loc: Loc) -> bool:
    """Takes out the value there, or the nearest thing around it that stands in a mapping."""
    ways: list[tuple[dict[Key, Plain], Key]] = []
    for key in loc:
        if not isinstance(plain, dict) or key not in plain:
            break
        ways.append((plain, key))
        plain = plain[key]
    if not ways:
        return False
    around, key = ways[-1]
    del around[key]
    return True


def _stand_in(plain: Plain, loc: Loc, standins: Plain) -> bool:
    for key in loc[:-1]:
        plain = plain.get(key) if isinstance(plain, dict) else None
        standins = standins.get(key, standins.get("*")) if isinstance(standins, dict) else None
    if isinstance(plain, dict) and isinstance(standins, dict) and loc[-1] in standins:
        plain[loc[-1]] = copy.deepcopy(standins[loc[-1]])
        return True
    return False


def _note(document: Document, loc: Loc, place: Schema, mistake: ErrorDetails) -> None:
    key = loc[-1] if loc else ""
    match mistake["type"]:
        case "extra_forbidden":
            known = list(_part(place, "properties"))
            document.broken(
                loc, one_of(known), did_you_mean(key, known), f"the unknown key {key!r}", at_key=True
            )
        case "missing":
            about = _part(_part(place, "properties"), str(key))
            document.broken(loc, str(about.get("description", "a value")))
        case "union_tag_invalid" | "union_tag_not_found":
            union = _part(place, "discriminator")
            tags = list(_part(union, "mapping"))
            loc = (*loc, str(union["propertyName"]))
            document.broken(loc, one_of(tags), did_you_mean(document.get(*loc), tags))
        case "string_pattern_mismatch":
            in_key = mistake["loc"][-1] == "[key]"
            document.broken(loc, str(place.get("description", "another form")), at_key=in_key)
        case kind:
            document.broken(loc, EXPECTED.get(kind, mistake["msg"]).format_map(mistake.get("ctx", {})))


def _place(shape: type[Shape], way: Sequence[Key], kind: str) -> tuple[Loc, Schema]:
    """pydantic's way to a mistake as the document's, and the schema of what is there (of the mapping
    that is around it, when a key is unknown or missing)."""
    root = schema_of(shape)
    around, here = root, root
    loc: list[Key] = []
    for key in way:
        if key == "[key]":  # the key itself is wrong
            here = _part(around, "propertyNames")
            continue
        around = _resolve(root, here)
        tags = _part(_part(around, "discriminator"), "mapping")
        if key in tags:  # pydantic names the kind of a union, the document does not
            here = {"$ref": tags[str(key)]}
        else:
            here = _below(around, key)
            loc.append(key)
    return tuple(loc), around if kind in {"missing", "extra_forbidden"} else _resolve(root, here)


@cache
def schema_of(shape: type[Shape]) -> Schema:
    return shape.model_json_schema(schema_generator=_AsWritten)


class _AsWritten(GenerateJsonSchema):
    """Defaults as they are written in a file: durations have a unit."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if made.get("type") == "string" and isinstance(seconds := made.get("default"), float):
            made["default"] = f"{seconds:g}s" if seconds == int(seconds) else f"{seconds * 1000:g}ms"
        return made


def _resolve(root: Schema, here: Schema) -> Schema:
    while True:
        match here:
            case {"$ref": str(ref)}:
                here = _part(_part(root, "$defs"), ref.rpartition("/")[2])
            case {"anyOf": [first, *_]}:
                about = {"description": here["description"]} if "description" in here else {}
                here = {**cast(Schema, first), **about}
            case _:
                return here


def _below(here: Schema, key: Key) -> Schema:
    match here:
        case {"properties": {**properties}}:
            return cast(Schema, properties.get(key, {}))
        case {"patternProperties": {**patterns}}:
            return cast(Schema, next(iter(patterns.values())))
        case {"additionalProperties": {**entry}} | {"items": {**entry}}:
            return cast(Schema, entry)
    return {}


def _part(here: Schema, key: str) -> Schema:
    return cast(Schema, here.get(key, {}))
