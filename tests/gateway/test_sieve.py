"""What a destination is given is what its filter says, and cards only to those who may have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitewarden.config.sinks import ALL, Filter, Kind
from sitewarden.gateway.sinks.sieve import Sieve

READINGS = [
    b'reading,site=a,device=pump-1,point=pressure value=0.5,quality="good" 1',
    b'reading,site=a,device=pump-1,point=running state=true,quality="good" 2',
    b'reading,site=a,device=pump-2,point=pressure value=0.7,quality="good" 3',
    b'reading,site=a,device=lift\\ 1,point=floor value=3.0,quality="good" 4',
]
DECISION = (
    b'decision,site=a,lane=in,direction=in,verdict=granted why="permit",card="****1234",kind="monthly" 5'
)
PASSAGE = b'passage,site=a,lane=in,direction=in known=true,card="****1234",kind="monthly" 6'
ALARM = b'alarm,site=a,id=c1,code=contact,severity=low state="unacknowledged" 7'
LINES = [*READINGS, DECISION, PASSAGE, ALARM]


def test_without_a_filter_nothing_is_looked_at() -> None:
    lines = [b"no line at all", *LINES]
    assert Sieve(ALL).sift(lines) is lines


def test_kinds_are_measurements() -> None:
    assert Sieve(Filter(kinds=frozenset({Kind.ALARM, Kind.PASSAGE}))).sift(LINES) == [PASSAGE, ALARM]


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (("pump-*.pressure",), [READINGS[0], READINGS[2]]),
        (("pump-1.*",), READINGS[:2]),
        (("lift 1.*", "pump-2.pressure"), READINGS[2:]),
        (("none.*",), []),
    ],
)
def test_points_are_patterns_of_full_names_and_what_is_no_reading_passes(
    patterns: tuple[str, ...], wanted: list[bytes]
) -> None:
    assert Sieve(Filter(points=patterns)).sift(LINES) == [*wanted, DECISION, PASSAGE, ALARM]


def test_what_is_no_line_is_left_to_the_server() -> None:
    assert Sieve(Filter(points=("pump-1.*",))).sift([b"", b"what is this"]) == [b"", b"what is this"]


def test_nobody_is_named_to_those_who_must_not_know() -> None:
    assert Sieve(Filter(personal=False)).sift([DECISION, PASSAGE, ALARM, READINGS[0]]) == [
        b'decision,site=a,lane=in,direction=in,verdict=granted why="permit" 5',
        b"passage,site=a,lane=in,direction=in known=true 6",
        ALARM,
        READINGS[0],
    ]


def test_nor_who_acknowledged_opened_reset_or_wrote() -> None:
    lines = [
        b'alarm,site=a,id=x state="acknowledged",raised=1i,subject="p.by",by="guard" 1',
        b'decision,site=a,lane=in why="operator",by="a \\"guard\\"" 2',
        b'fire,site=a stage="normal",before="held",by="guard" 3',
        b'write,site=a,outcome=sent text=",by=",by="guard" 4',
        b"write,site=a,outcome=sent value=1.0 5",
    ]
    assert Sieve(Filter(personal=False)).sift(lines) == [
        b'alarm,site=a,id=x state="acknowledged",raised=1i,subject="p.by" 1',
        b'decision,site=a,lane=in why="operator" 2',
        b'fire,site=a stage="normal",before="held" 3',
        b'write,site=a,outcome=sent text=",by=" 4',
        b"write,site=a,outcome=sent value=1.0 5",
    ]


@given(st.text(alphabet='ab",=\\ ', max_size=12))
def test_a_text_that_reads_like_a_card_is_none(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').encode()
    wanted = b'decision,site=a why="%s",note=",card=" 5' % escaped
    line = wanted.replace(b",note", b',card="x%s",note' % escaped)
    assert Sieve(Filter(personal=False)).sift([line]) == [wanted]
