"""Line protocol comes back as what was written, ours and other tools'."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewarden.gateway.records import micros, stamp
from sitewarden.gateway.sinks.lines import Lines
from sitewarden.gateway.sinks.parse import Record, Value, parse
from sitewarden.rules.model import FireChange, FireStage, LinkChanged, Quality, Reading, Reason, Stamp

AT = Stamp(datetime(2026, 3, 1, 12, tzinfo=UTC), 1.0)
NS = 1772366400000000000

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
moments = st.integers(0, 4 * 10**15).map(lambda micros: stamp(micros, 0.0))
values = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | words


def tag(text: str) -> str:
    """What a tag can hold of a text."""
    return text.translate({ord("\\"): "/", ord("\n"): " ", ord("\r"): " "})


def string(text: str) -> str:
    return text.translate({ord("\n"): " ", ord("\r"): " "})


def reading_fields(reading: Reading) -> dict[str, Value]:
    told: dict[str, Value] = {}
    match reading.value:
        case bool(state):
            told = {"state": state}
        case float() | int() as number:
            told = {"value": float(number)}
        case str(text):
            told = {"text": string(text)}
    bad = {"reason": str(reading.reason)} if reading.quality is not Quality.GOOD else {}
    return told | {"quality": str(reading.quality)} | bad


@given(
    st.builds(
        Reading,
        st.tuples(words.filter(lambda word: "." not in word), words).map(".".join),
        values.filter(lambda value: not isinstance(value, int) or abs(value) < 1e300),
        moments,
        st.sampled_from(Quality),
        st.sampled_from(Reason),
    ),
    words,
)
def test_a_reading_comes_back(reading: Reading, site: str) -> None:
    ((ns, line),) = Lines(site).format([reading])
    device, _, point = reading.point.partition(".")
    tags = {"site": tag(site), "device": tag(device), "point": tag(point)}
    assert parse(line) == Record("reading", tags, reading_fields(reading), ns)
    assert ns == micros(reading.at.wall) * 1000


@given(words, words, st.booleans(), st.sampled_from(Reason))
def test_an_event_comes_back(site: str, device: str, up: bool, reason: Reason) -> None:
    ((_, line),) = Lines(site).format([LinkChanged(device, up, AT, reason)])
    fields = {"up": up} | ({"reason": str(reason)} if reason else {})
    assert parse(line) == Record("device", {"site": tag(site), "device": tag(device)}, fields, NS)


def test_an_event_with_awkward_words_comes_back() -> None:
    change = FireChange(FireStage.NORMAL, FireStage.FIRE, AT, 'panel "B", left', r"C:\zone = 4")
    ((_, line),) = Lines("cui hu=1").format([change])
    stages = {"stage": "fire", "before": "normal"}
    places = {"panel": 'panel "B", left', "zone": r"C:\zone = 4"}
    assert parse(line) == Record("fire", {"site": "cui hu=1"}, stages | places, NS)


def test_points_at_one_instant_stay_apart() -> None:
    reading = Reading("p.x", 1.0, AT)
    lines = Lines("s").format(
        [reading, reading, replace(reading, at=Stamp(AT.wall + timedelta(seconds=1), 2))]
    )
    assert [parse(line).ns for _, line in lines] == [NS, NS + 1_000_000, NS + 1_000_000_000]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1.0),
        ("-1.", -1.0),
        (".5", 0.5),
        ("1.5e-3", 0.0015),
        ("-1.234456E+78", -1.234456e78),
        ("1i", 1),
        ("-9223372036854775808i", -(1 << 63)),
        ("18446744073709551615u", (1 << 64) - 1),
        *((word, True) for word in ("t", "T", "true", "True", "TRUE")),
        *((word, False) for word in ("f", "F", "false", "False", "FALSE")),
        ('""', ""),
        (r'"say \"no\", a=b \\ C:\x\n"', r'say "no", a=b \ C:\x\n'),
        ('"two\nlines"', "two\nlines"),
    ],
)
def test_other_tools_values(written: str, value: Value) -> None:
    record = parse(f"cpu,host=a usage={written} 7".encode())
    assert record == Record("cpu", {"host": "a"}, {"usage": value}, 7)
    assert type(record.fields["usage"]) is type(value)


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ("cpu usage=1 -5", Record("cpu", {}, {"usage": 1.0}, -5)),
        ("cpu a=1,b=2i 5", Record("cpu", {}, {"a": 1.0, "b": 2}, 5)),
        (r"a\ b\,c\=d=e x=1 5", Record(r"a b,c\=d=e", {}, {"x": 1.0}, 5)),
        (r"m,k\ 1\=\,=v\ 2\=\, f\ 3\=\,=1 5", Record("m", {"k 1=,": "v 2=,"}, {"f 3=,": 1.0}, 5)),
        (r"m,path=C:\dir,b=\\, x=1 5", Record("m", {"path": r"C:\dir", "b": r"\,"}, {"x": 1.0}, 5)),
        (r"m,path=C:\dir x=1 5", Record("m", {"path": r"C:\dir"}, {"x": 1.0}, 5)),
        ("车库,区=一 值=1 5", Record("车库", {"区": "一"}, {"值": 1.0}, 5)),
        (r'm value=1.5,quality="good" 5', Record("m", {}, {"value": 1.5, "quality": "good"}, 5)),
        (r'm\ n value=1.5,quality="good" 5', Record("m n", {}, {"value": 1.5, "quality": "good"}, 5)),
    ],
)
def test_other_tools_names(line: str, record: Record) -> None:
    assert parse(line.encode()) == record


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("", "column 1: no fields"),
        ("cpu", "column 4: no fields"),
        ("cpu 5", "column 5: no field=value"),
        (",a=b x=1 5", "column 1: no measurement"),
        ("# a=1 5", "column 1: no measurement"),
        ("cpu,host x=1 5", "column 4: no tag=text"),
        ("cpu,host= x=1 5", "column 4: no tag=text"),
        ("cpu x=nan 5", "column 5: no field=value"),
        ("cpu x=1_0 5", "column 5: no field=value"),
        ("cpu x=1,y 5", "column 9: no field=value"),
        ('cpu x="open 5', "column 5: no field=value"),
        ('cpu x="a"b 5', "column 5: no field=value"),
        ("cpu x=1", "column 8: no instant"),
        ("cpu x=1 5 6", "column 8: no instant"),
        ("cpu x=1 5.5", "column 8: no instant"),
        ("cpu x=9223372036854775808i 5", "does not fit"),
        ("cpu x=1e999 5", "does not fit"),
        ("cpu x=-1u 5", "column 5: no field=value"),
        ('cpu value=1.0,quality="good" 9223372036854775808', "does not fit"),
    ],
)
def test_what_is_no_line_is_refused_with_the_place(line: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse(line.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        parse(b"cpu x=1 \xff")


@given(st.text(alphabet=',= \\"ab1i.t\n', max_size=30))
def test_any_text_is_a_record_or_a_value_error(text: str) -> None:
    try:
        record = parse(text.encode())
    except ValueError:
        return
    assert record.measurement
    assert record.fields
    assert parse(written(record)) == record


def written(record: Record) -> bytes:
    """The long way, whatever the types."""
    hide = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
    name = record.measurement.replace(",", r"\,").replace(" ", r"\ ")
    tags = "".join(f",{key.translate(hide)}={text.translate(hide)}" for key, text in record.tags.items())
    fields = ",".join(f"{key.translate(hide)}={value(field)}" for key, field in record.fields.items())
    return f"{name}{tags} {fields} {record.ns}".encode()


def value(field: Value) -> str:
    match field:
        case bool():
            return str(field)
        case int():
            return f"{field}i" if field < 1 << 63 else f"{field}u"
        case float():
            return repr(field)
        case str():
            hidden = field.replace("\\", r"\\").replace('"', r"\"")
            return f'"{hidden}"'
