"""`check` and `schema`."""

from pathlib import Path

from tests.cli.conftest import Shell


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
