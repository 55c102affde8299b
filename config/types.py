"""The kinds of values as pydantic and an editor's JSON Schema know them; `words.py` reads them."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from sitewarden.config.words import (
    ADDRESS,
    DURATION,
    LANGUAGES,
    PERCENT,
    SIZE,
    URL,
    Address,
    Deadband,
    address,
    deadband,
    duration,
    host,
    scalar,
    secret,
    share,
    size,
    span,
    text,
    url,
)
from sitewarden.rules.model import Value


class Shape(BaseModel):
    """A mapping in a file: nothing in it that is not known, nothing bent to fit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _schema(kind: str, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **more})


Duration = Annotated[
    float, BeforeValidator(duration), _schema("string", pattern=f"^{DURATION.pattern}$", examples=["10s"])
]
Pause = Annotated[Duration, Field(gt=0)]
Size = Annotated[
    int, PlainValidator(size), _schema("string", pattern=f"^{SIZE.pattern}$", examples=["512MB"])
]
Endpoint = Annotated[
    Address,
    PlainValidator(address),
    _schema("string", pattern=f"^{ADDRESS.pattern}$", examples=["10.0.0.5:502"]),
]
Host = Annotated[str, PlainValidator(host), _schema("string", minLength=1, examples=["127.0.0.1"])]
Url = Annotated[
    str,
    PlainValidator(url),
    _schema("string", pattern=f"^{URL.pattern}$", examples=["http://127.0.0.1:8086"]),
]
Text = Annotated[
    Mapping[str, str],
    PlainValidator(text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "properties": {language: {"type": "string"} for language in LANGUAGES},
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            ]
        }
    ),
]
Word = Annotated[Value, PlainValidator(scalar), WithJsonSchema({"type": ["boolean", "number", "string"]})]
Span = Annotated[
    tuple[float, float],
    PlainValidator(span),
    _schema("array", items={"type": "number"}, minItems=2, maxItems=2),
]
Change = Annotated[
    Deadband,
    PlainValidator(deadband),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": f"^{PERCENT.pattern}$"}]}
    ),
]
Share = Annotated[float, PlainValidator(share), _schema("string", pattern=f"^{PERCENT.pattern}$")]
BY_WORD = Field(strict=False)  # an enumeration, written as its word
Name = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$", description="a name of letters, digits, - and _")
]

FilePath = Annotated[str, Field(pattern=r"^[^\x00]+$")]


class Hidden(Shape):
    """A secret: written down, in the environment or in a file of its own."""

    plain: str = ""
    env: str = ""
    file: str = ""


NO_SECRET = Hidden()

Secret = Annotated[
    Hidden,
    BeforeValidator(secret),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
                    "additionalProperties": False,
                    "minProperties": 1,
                    "maxProperties": 1,
                },
                {"type": "string"},
            ]
        }
    ),
]
