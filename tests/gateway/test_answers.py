"""Each answer of a server has one consequence."""

import json

import pytest

from sitewarden.gateway.sinks.answers import Kind, classify

PARTIAL = '{"error":"partial write: field type conflict: input field \\"v\\" is type float dropped=2"}'
UNPARSED = (
    "{\"error\":\"partial write: unable to parse 'a': missing fields\\nunable to parse 'b': x dropped=0\"}"
)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, "", Kind.TAKEN),
        (204, "", Kind.TAKEN),
        (400, PARTIAL, Kind.PARTIAL),
        (422, PARTIAL, Kind.PARTIAL),
        (400, '{"error":"unable to parse \'a\': missing fields"}', Kind.MALFORMED),
        (422, '{"code":"unprocessable entity"}', Kind.MALFORMED),
        (413, "", Kind.TOO_LARGE),
        (301, "", Kind.REFUSED),
        (401, "", Kind.REFUSED),
        (403, "", Kind.REFUSED),
        (404, '{"error":"database not found"}', Kind.REFUSED),
        (408, "", Kind.LATER),
        (429, "", Kind.LATER),
        (500, "", Kind.LATER),
        (503, "", Kind.LATER),
    ],
)
def test_classes(status: int, body: str, kind: Kind) -> None:
    assert classify(status, body).kind is kind


def test_rejects_of_a_partial_write_are_counted() -> None:
    assert classify(400, PARTIAL).dropped == 2
    assert classify(400, UNPARSED).dropped == 2


@pytest.mark.parametrize(("status", "body"), [(200, "<html>sign in</html>"), (200, "{}"), (101, "")])
def test_who_has_more_to_say_to_a_write_than_yes_is_another_server(status: int, body: str) -> None:
    assert classify(status, body, lines=[b"a v=1 1"]).kind is Kind.REFUSED


def test_lines_whose_field_has_another_type_there_are_known() -> None:
    """The words of influxd 1.6.7; if it could be others as well, none is named."""
    words = 'partial write: field type conflict: input field "v" on measurement "a" is type float, already'
    body = json.dumps({"error": f"{words} exists as type string dropped=1"})
    lines = [b"a w=1 1", b"a,b=c v=1 1", b"b v=1 1", b"no line"]
    answer = classify(400, body, lines=lines)
    assert [line for line, _ in answer.letters] == [b"a,b=c v=1 1"]
    assert classify(400, body, lines=[*lines, b"a v=2 2"]).letters == ()


def test_lines_that_a_partial_write_names_are_known() -> None:
    quoted = b"it's 'bad': line"
    body = json.dumps(
        {
            "error": f"partial write: unable to parse '{quoted.decode()}': invalid field format\n"
            "unable to parse 'not ours': missing fields dropped=0"
        }
    )
    answer = classify(400, body, lines=[b"a v=1 1", quoted])
    assert answer.letters == ((quoted, "invalid field format"),)
    assert answer.dropped == 2


def test_lines_that_a_partial_write_numbers_are_known() -> None:
    """As InfluxDB 3 Core does; its `original_line` may be cut short."""
    rejects = [
        {"original_line": "cpu,host=b v", "line_number": 2, "error_message": "No fields were provided"},
        {"original_line": "", "line_number": 9, "error_message": "there is no such line"},
    ]
    body = json.dumps({"error": "partial write of line protocol occurred", "data": rejects})
    answer = classify(400, body, lines=[b"a v=1 1", b"cpu,host=b v= 123"])
    assert answer.letters == ((b"cpu,host=b v= 123", "No fields were provided"),)
    assert answer.words == "partial write of line protocol occurred"
    assert answer.dropped == 2


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("Wed, 21 Oct 2026 07:28:30 -0000", 30.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_clock_of_the_server(
    retry_after: str, seconds: float | None
) -> None:
    assert classify(429, "", retry_after, "Wed, 21 Oct 2026 07:28:00 GMT").retry_after == seconds


def test_a_date_without_one_to_compare_with_says_nothing() -> None:
    assert classify(503, "", "Wed, 21 Oct 2026 07:28:00 GMT").retry_after is None


def test_the_words_are_those_inside_the_json() -> None:
    assert (
        classify(401, '{"code":"unauthorized","message":"unauthorized access"}').words
        == "unauthorized access"
    )
    assert classify(404, '{"error":"database not found"}').words == "database not found"
    assert classify(502, "<html>").words == "<html>"
    assert classify(413, "").words == "HTTP 413"
