"""Each answer of a server has one consequence."""

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


def test_retry_after_is_in_seconds_or_ignored() -> None:
    assert classify(429, "", "7").retry_after == 7.0
    assert classify(503, "", "Wed, 21 Oct 2026 07:28:00 GMT").retry_after is None
