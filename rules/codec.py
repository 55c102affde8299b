"""Frozen dataclasses to JSON and back, by their own type hints.

Whatever was not written by `encode` raises ValueError and says where: a cell from a damaged or a newer
journal must be refused, never half understood. A field that is missing takes its default, so that a cell
type may grow.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from json import JSONEncoder
from typing import Any, Union, get_args, get_origin, get_type_hints

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_SCALARS = (bool, int, float, str)


def encode(value: object) -> str:
    """Raises ValueError for a type of which neither JSON nor `decode` has a notion. Lists and dicts go
    through, and come back as the tuples and mappings that the type hints say."""
    return _JSON.encode(value)


def _plain(value: object) -> object:
    """What JSON has no notion of by itself, as something that it has, one level down."""
    match value:
        case date():  # or a datetime, which is one
            return value.isoformat()
        case frozenset():
            return sorted(value)
        case Mapping():
            return dict(value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {name: getattr(value, name) for name in _names(type(value))}
    raise ValueError(f"no JSON for {type(value).__name__}")


_JSON = JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)


@cache
def _names(kind: type) -> tuple[str, ...]:
    """Asked at every swipe, on its way to the barrier."""
    return tuple(field.name for field in fields(kind))


def decode(kind: Any, data: Json, where: str = "") -> Any:
    """`kind` is a type as annotations write it; the result is one of its values."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(args, data, where)
    if origin in (tuple, frozenset):
        return origin(decode(args[0], item, f"{where}[{n}]") for n, item in enumerate(_list(data, where)))
    if origin is Mapping:
        return {key: decode(args[1], item, f"{where}.{key}") for key, item in _dict(data, where).items()}
    if is_dataclass(kind):
        return _dataclass(kind, _dict(data, where), where)
    if kind in _SCALARS or kind is types.NoneType:
        return _scalar(kind, data, where)
    if isinstance(data, str) and issubclass(kind, Enum | date):
        return kind(data) if issubclass(kind, Enum) else kind.fromisoformat(data)
    raise _wrong(where, kind.__name__, data)


def _one_of(kinds: tuple[Any, ...], data: Json, where: str) -> Any:
    """The first kind that the data fits: JSON's own types keep the members of our unions apart."""
    errors = []
    for kind in kinds:
        try:
            return decode(kind, data, where)
        except ValueError as error:
            errors.append(str(error))
    raise ValueError("; ".join(errors))


def _dataclass(kind: Any, data: dict[str, Json], where: str) -> Any:
    hints = _hints(kind)
    if unknown := data.keys() - hints.keys():
        raise ValueError(f"{where}: {kind.__name__} has no {', '.join(sorted(unknown))}")
    if missing := _required(kind) - data.keys():
        raise ValueError(f"{where}: {kind.__name__} needs {', '.join(sorted(missing))}")
    return kind(**{name: decode(hints[name], item, f"{where}.{name}") for name, item in data.items()})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _required(kind: Any) -> frozenset[str]:
    return frozenset(f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING)


def _scalar(kind: type, data: Json, where: str) -> Json:
    whole_float = kind is float and type(data) is int
    if type(data) is not kind and not whole_float:
        raise _wrong(where, kind.__name__, data)
    return data


def _list(data: Json, where: str) -> list[Json]:
    if not isinstance(data, list):
        raise _wrong(where, "a list", data)
    return data


def _dict(data: Json, where: str) -> dict[str, Json]:
    if not isinstance(data, dict):
        raise _wrong(where, "an object", data)
    return data


def _wrong(where: str, expected: str, found: Json) -> ValueError:
    return ValueError(f"{where}: expected {expected}, found {found!r}")
