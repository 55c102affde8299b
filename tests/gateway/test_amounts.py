"""Amounts as people read them."""

import pytest

from sitewarden.gateway.amounts import large, size, span


@pytest.mark.parametrize(("number", "told"), [(0, "0"), (999, "999"), (1_234_567, "1,234,567"), (0.4, "0")])
def test_a_large_number_is_grouped(number: float, told: str) -> None:
    assert large(number) == told


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (512 << 20, "512 MiB"), (5 << 40, "5 TiB")],
)
def test_bytes_have_the_unit_that_suits_them(count: int, told: str) -> None:
    assert size(count) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, ("0.0", "s")),
        (2.34, ("2.3", "s")),
        (42, ("42", "s")),
        (90, ("1.5", "min")),
        (720, ("12", "min")),
        (3600, ("1", "h")),
        (86_400 * 3, ("3", "d")),
    ],
)
def test_a_span_is_told_in_the_largest_unit_that_fits(seconds: float, told: tuple[str, str]) -> None:
    assert span(seconds) == told
