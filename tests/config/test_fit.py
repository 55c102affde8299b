"""A bus that cannot keep its intervals is a mistake in the configuration, said with what would help."""

from pathlib import Path

from tests.config.site_text import good, wrong

LINKS = "{bus-1: {serial: /dev/ttyS0}, lift-1: {tcp: 192.168.1.20}}"
REST = {"parking": "{}", "fire": "{}", "alarms": "{}", "stale": "{}"}


def told(folder: Path, devices: str, links: str = LINKS) -> str:
    """The one mistake, without its place."""
    lift = "lift-a: {link: lift-1, unit: 1, profile: pump}"
    (error,) = wrong(folder, links=links, devices=f"{{{devices}, {lift}}}", **REST)
    return f"{error.path}: {error.found}; {error.hint}"


def many(number: int, keys: str = "") -> str:
    return ", ".join(f"pump-{n}: {{link: bus-1, unit: {n + 1}, profile: pump{keys}}}" for n in range(number))


def test_reads_that_take_too_long_are_named(tmp_path: Path) -> None:
    gate = "io-1: {link: bus-1, unit: 99, profile: box, scan: {fast: 90ms}}"
    assert told(tmp_path, f"{gate}, {many(1)}") == (
        "links.bus-1: reads that take too long: io-1 fast (out1, out2, in1 and 1 more) 92ms instead of 90ms; "
        "this would fit: 19200 baud; or the scan class 'fast' of io-1 at 92ms; or 2 links, "
        "with io-1 | pump-0"
    )


def test_too_much_for_the_line_is_slowed_or_shared_out(tmp_path: Path) -> None:
    normal = "normal (name, running, mode and 1 more) 10%"
    assert told(tmp_path, many(12)) == (
        f"links.bus-1: reads that take 118% of the line's time: pump-0 {normal}, pump-1 {normal}, "
        f"pump-2 {normal}, pump-3 {normal} "
        "and 8 more; this would fit: 19200 baud; or the scan class 'normal' of every device at 1.2s; "
        "or 2 links, with pump-0 pump-1 pump-2 pump-3 pump-4 pump-5 pump-6 pump-7 pump-8 pump-9 | "
        "pump-10 pump-11"
    )


def test_many_devices_are_shared_out_without_their_names(tmp_path: Path) -> None:
    assert told(tmp_path, many(40)).endswith("'normal' of every device at 4s; or 4 links")


def test_what_nothing_helps_is_said_so(tmp_path: Path) -> None:
    assert told(tmp_path, many(1, ", turnaround: 5h")).endswith("; no interval and no bus is enough for it")


def test_nothing_is_reckoned_of_a_site_with_another_mistake(tmp_path: Path) -> None:
    (error,) = wrong(tmp_path, links=LINKS.replace("192.168.1.20", "':'"), devices=f"{{{many(40)}}}", **REST)
    assert error.path == "links.lift-1.tcp"


def test_a_speed_that_is_not_known_does_not_count(tmp_path: Path) -> None:
    devices = f"{{{many(20)}}}"
    good(tmp_path, links="{bus-1: {tcp: gateway}}", devices=devices, **REST)
    (error,) = wrong(tmp_path, links="{bus-1: {tcp: gateway, line_baud: 9600}}", devices=devices, **REST)
    assert "57600 baud" in error.hint
