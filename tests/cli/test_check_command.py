"""`check` and `schema`."""

from pathlib import Path

import pytest

from tests.cli.conftest import Shell

ROOT = Path(__file__).parents[2]


def test_a_good_site_is_summed_up(shell: Shell) -> None:
    typed = shell("check", "site.yaml")
    assert typed.code == 0
    assert "5 links, 8 devices" in typed.out
    assert "2 lanes, 1 fire panel, 8 alarms, 2 stale rules, 0 sinks" in typed.out
    assert "grundfos-cim, unit 11" in typed.out


def test_every_mistake_is_told_and_counted(shell: Shell, folder: Path) -> None:
    text = (folder / "site.yaml").read_text("utf-8")
    (folder / "bad.yaml").write_text(text.replace("unit: 11", "unit: 300").replace("out1", "out9"), "utf-8")
    typed = shell("check", "bad.yaml")
    assert (typed.code, typed.out) == (1, "")
    *mistakes, count = typed.err.splitlines()
    assert len(mistakes) == 2
    assert all(line.startswith("bad.yaml:") for line in mistakes)
    assert count == "2 mistakes."


def test_json_of_both(shell: Shell, folder: Path) -> None:
    good = shell("check", "site.yaml", "--json")
    assert good.code == 0
    assert good.json["good"] is True
    assert good.json["lanes"] == ["entrance", "exit"]
    (folder / "bad.yaml").write_text("site: {id: a, timezone: UTCC}", "utf-8")
    bad = shell("check", "bad.yaml", "--json")
    assert (bad.code, bad.err) == (1, "")
    assert bad.json == {
        "good": False,
        "errors": [
            {
                "file": "bad.yaml",
                "line": 1,
                "col": 25,
                "path": "site.timezone",
                "found": "'UTCC'",
                "expected": "a time zone such as 'Asia/Shanghai'",
                "hint": "did you mean 'UTC'?",
            }
        ],
    }


def test_a_page_for_everybody_is_no_mistake_but_noted(shell: Shell, folder: Path) -> None:
    assert "Note" not in shell("check", "site.yaml").out
    text = (folder / "site.yaml").read_text("utf-8")
    (folder / "open.yaml").write_text(text.replace("host: 127.0.0.1", "host: 0.0.0.0"), "utf-8")
    typed = shell("check", "open.yaml")
    assert typed.code == 0
    assert "Note: http.host is 0.0.0.0: without a proxy with TLS" in typed.out
    (note,) = shell("check", "open.yaml", "--json").json["notes"]
    assert note.startswith("http.host is 0.0.0.0")


def test_schema_is_json(shell: Shell) -> None:
    typed = shell("schema")
    assert typed.code == 0
    assert "links" in typed.json["properties"]


def test_a_rate_that_is_a_slip_and_a_site_with_nothing_in_it_are_noted(shell: Shell, folder: Path) -> None:
    text = (folder / "site.yaml").read_text("utf-8")
    (folder / "slip.yaml").write_text(text.replace("baud: 19200", "baud: 19201"), "utf-8")
    assert shell("check", "slip.yaml", "--json").json["notes"] == [
        "links.bus-gate.baud is 19201, which few devices speak; did you mean 19200?"
    ]
    (folder / "empty.yaml").write_text("site: {id: a, timezone: UTC}", "utf-8")
    typed = shell("check", "empty.yaml")
    assert typed.code == 0
    assert "Note: there is no link and no device" in typed.out


def test_how_full_the_buses_are_is_drawn_as_the_readme_shows(shell: Shell) -> None:
    out = shell("check", "site.yaml").out
    told = out[out.index("How much of each line's time") : out.index("\n\nlane ")]
    for readme in ("README.md", "README.zh.md"):
        assert told in (ROOT / readme).read_text("utf-8")


def test_each_point_has_its_age(shell: Shell) -> None:
    lines = shell("check", "site.yaml", "--points").out.splitlines()
    assert [line.split() for line in lines if line.startswith("tank.level")] == [
        ["tank.level", "1s", "18ms", "1.458s"]
    ]
    found = shell("check", "site.yaml", "--json").json
    assert len(found["ages"]) == found["points"] == 134
    assert found["ages"]["tank.level"] == pytest.approx(
        {"every": 1.0, "best": 0.0180, "worst": 1.4580}, abs=1e-3
    )
    bus = found["buses"]["bus-pump"]
    assert bus["utilisation"] == pytest.approx(sum(bus["devices"].values()))
    nobody_says = "a turnaround of 10ms is assumed, the source does not say"
    assert bus["assumed"] == f"{nobody_says}: pump-1, pump-2, tank"
    assert found["buses"]["lift-1"]["assumed"].startswith(f"{nobody_says}: lift-a; only the devices'")


def test_a_bus_that_cannot_keep_its_intervals_is_refused(shell: Shell, folder: Path) -> None:
    text = (folder / "site.yaml").read_text("utf-8")
    slow = text.replace("ports/bus-pump, parity", "ports/bus-pump, baud: 2400, parity")
    (folder / "slow.yaml").write_text(slow, "utf-8")
    typed = shell("check", "slow.yaml")
    assert (typed.code, typed.out) == (1, "")
    mistake, _ = typed.err.splitlines()
    for readme in ("README.md", "README.zh.md"):
        assert mistake.replace("slow.yaml", "site.yaml") in (ROOT / readme).read_text("utf-8")


def test_a_turnaround_that_is_said_is_not_assumed(shell: Shell, folder: Path) -> None:
    text = (folder / "site.yaml").read_text("utf-8")
    said = text.replace("unit: 11,", "unit: 11, turnaround: 10ms,")
    assert said != text
    (folder / "said.yaml").write_text(said, "utf-8")
    assert (
        shell("check", "said.yaml", "--json").json["buses"]["bus-pump"]["assumed"].endswith(": pump-2, tank")
    )


def test_many_devices_share_a_bar(shell: Shell, folder: Path) -> None:
    devices = "\n".join(f"  d{n}: {{link: bus, unit: {n + 1}, profile: level-4-20ma}}" for n in range(7))
    site = f"site: {{id: a, timezone: UTC}}\nlinks: {{bus: {{serial: p}}}}\ndevices:\n{devices}\n"
    (folder / "many.yaml").write_text(site, "utf-8")
    bar, legend = shell("check", "many.yaml").out.partition("take:\n")[2].splitlines()[:2]
    assert bar.split() == ["bus", "██▓▒▒" + "░" * 6 + "·" * 39, "20%"]
    assert legend.split("  ")[-1] == "░ 4 others 12%"
