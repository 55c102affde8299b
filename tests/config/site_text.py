"""A small whole site to break, one section at a time."""

from pathlib import Path

from sitewarden.config.errors import ConfigError, ConfigErrors
from sitewarden.config.site import Site, load

HERE = "§"  # stands before the place that an error is expected to name

SECTIONS = {
    "site": "{id: small, timezone: Asia/Shanghai}",
    "links": """
  line-1: {serial: /dev/ttyS0}
  line-2: {serial: /dev/ttyS1}
  bus-1: {serial: /dev/ttyS2, baud: 19200, parity: even}
  lift-1: {tcp: 192.168.1.20}""",
    "devices": """
  reader-1: {link: line-1, driver: rdm6300}
  reader-2: {link: line-2, driver: rdm6300}
  io-1: {link: bus-1, unit: 1, profile: box}
  pump-1: {link: bus-1, unit: 2, profile: pump}
  lift-a: {link: lift-1, unit: 247, profile: pump, title: {zh: 客梯, en: Lift}}""",
    "parking": """
  lanes:
    in-1: {direction: in, reader: reader-1, barrier: {device: io-1, open: out1, loop_under: in1}}""",
    "fire": """
  panel: {point: io-1.line1, bands: {fire: [500, 1200], normal: [1800, 2600], open: [6000, 9000]}}""",
    "alarms": "{low: {point: pump-1.pressure, below: 1.5, severity: high, on_delay: 10s}}",
    "stale": "{pump-1.pressure: {after: 30s}}",
    "sinks": "{}",
}
PROFILES = {
    "box": """
points:
  out1: {table: coil, address: 0, type: bool, writable: true, scan: fast}
  out2: {table: coil, address: 1, type: bool, writable: true, scan: fast}
  in1: {table: discrete, address: 0, type: bool, scan: fast}
  in2: {table: discrete, address: 1, type: bool, scan: fast}
  line1: {table: input, address: 0, type: u16, unit: ohm}
""",
    "pump": """
title: {en: A pump, zh: 泵}
addressing: documented
points:
  pressure: {table: holding, address: 301, type: u16, scale: 0.001, unit: bar, range: [0, 25]}
  running: {table: holding, address: 201, type: bit, bit: 9}
  mode: {table: holding, address: 203, type: enum, names: {0: auto, 4: min}}
  name: {table: holding, address: 1, type: string, words: 4}
""",
}


def blocks(name: str) -> list[tuple[str, str]]:
    """A file of mistakes: what somebody wrote, and what is said of it."""
    text = Path(__file__).with_name(name).read_text("utf-8")
    pairs = (block.strip().rpartition("\n") for block in text.split("\n\n")[1:])
    return [(wrote, says) for wrote, _, says in pairs]


def write(folder: Path, **changed: str) -> Path:
    """The site's file, with some of its sections changed; its profiles stand beside it."""
    (folder / "profiles").mkdir(exist_ok=True)
    for name, text in PROFILES.items():
        (folder / "profiles" / f"{name}.yaml").write_text(text, "utf-8")
    file = folder / "site.yaml"
    file.write_text("".join(f"{key}: {value}\n" for key, value in (SECTIONS | changed).items()), "utf-8")
    return file


def good(folder: Path, **changed: str) -> Site:
    return load(write(folder, **changed), {})


def wrong(folder: Path, **changed: str) -> tuple[ConfigError, ...]:
    try:
        load(write(folder, **changed), {})
    except ConfigErrors as errors:
        return errors.errors
    return ()


def place(file: Path) -> tuple[int, int]:
    """Line and column of the mark in a file, which is then taken out."""
    text = file.read_text("utf-8")
    before, mark, after = text.partition(HERE)
    assert mark
    file.write_text(before + after, "utf-8")
    return before.count("\n") + 1, len(before) - before.rfind("\n")
