"""The spreadsheet of cards: what the desk sends, and what is said of its mistakes."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitewarden.drivers.cards.readers import card_forms
from sitewarden.gateway.issuing import Issuing
from sitewarden.gateway.sheet import Sheet, read, write
from sitewarden.rules.model import Permit, PermitKind

HEAD = "card,kind,valid_from,valid_to"
JUNE = Permit(
    "0A00000001", PermitKind.MONTHLY, date(2026, 6, 1), date(2026, 6, 30), "王芳, 3-1202", "京A12345"
)
HOME = Permit(
    *("0A00000002", PermitKind.PRIVATE, date(2026, 1, 1), date(2026, 12, 31), "", "", "B12", True),
    frozenset({"in-1", "out-1"}),
)
ISSUING = Issuing(
    frozenset({"in-1", "out-1"}), frozenset({"out-1"}), frozenset({"B12"}), card_forms(["rdm6300"])
)


def sheet(folder: Path, text: str, encoding: str = "utf-8") -> Sheet:
    file = folder / "cards.csv"
    file.write_bytes(text.encode(encoding))
    return read(file, ISSUING)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_what_was_written_is_read(tmp_path: Path, encoding: str) -> None:
    assert sheet(tmp_path, write([JUNE, HOME]), encoding) == Sheet((JUNE, HOME), ())


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheet_saved_in_china_is_understood(tmp_path: Path, delimiter: str) -> None:
    text = f"{HEAD},holder,plate\r\n0a00000001,monthly,2026/6/1,2026/6/30,王芳,京A12345\r\n,,,,,\r\n"
    found = sheet(tmp_path, text.replace(",", delimiter), "gb18030")
    assert found.permits == (replace(JUNE, holder="王芳"),)
    assert (found.errors, found.note) == ((), f"{tmp_path / 'cards.csv'} is not UTF-8: read as GB 18030")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (",monthly,2026-06-01,2026-06-30", "2:1: card: found nothing, expected ten hexadecimal digits"),
        ("ZZ,monthly,2026-06-01,2026-06-30", "2:1: card: found 'ZZ', expected ten hexadecimal digits"),
        ("100073499,monthly,2026-06-01,2026-06-30", "2:1: card: found '100073499', expected ten hexa"),
        ("0A00000002,weekly,2026-06-01,2026-06-30", "2:12: kind: found 'weekly', expected monthly"),
        ("0A00000003,monthly,2026-06-31,2026-06-30", "2:20: valid_from: found '2026-06-31', expected a date"),
        ("0A00000004,monthly,2026-07-01,2026-06-30", "2:31: valid_to: found 2026-06-30, expected the first"),
        (
            "0A00000005,monthly,2026-06-01,2026-06-30,maybe",
            "2:42: blocked: found 'maybe', expected yes or no",
        ),
        (
            "0A00000006,monthly,2026-06-01",
            "2:30: valid_to: found nothing, expected a date such as 2027-01-31",
        ),
        (
            "0A00000007,private,2026-06-01,2026-06-30",
            "2:41: space: found nothing, expected one of the site's",
        ),
        ("0A00000007,private,2026-06-01,2026-06-30,,B99", "2:43: space: found 'B99', expected one of the"),
        ("0A00000008,monthly,2026-06-01,2026-06-30,,,nowhere", "2:44: lanes: found 'nowhere', expected in-1"),
        ("0A00000008,monthly,2026-06-01,2026-06-30,,,in-1", "2:44: lanes: found in-1, expected an exit"),
        (
            "0A00000008,monthly,2026-06-01,2026-06-30,,,,a\x1bb",
            "2:45: holder: found 'a\\x1bb', expected a text",
        ),
        (
            '0A00000008,monthly,2026-06-01,2026-06-30,,,,"a, b',
            "2:45: holder: found a quote that is not closed, expected one at the end of every quoted cell",
        ),
        ("0A00000008,monthly,2026-06-01,2026-06-30,,,,a,b", "2:47: line: found 9 cells, expected 8"),
    ],
)
def test_a_wrong_line_is_named_and_the_good_ones_are_taken(tmp_path: Path, line: str, says: str) -> None:
    good = (
        "0A00000001,monthly,2026-06-01,2026-06-30,,,out-1\n0A00000009,temporary,2026-06-01,2026-06-30,yes\n"
    )
    found = sheet(tmp_path, f"{HEAD},blocked,space,lanes,holder\n{line}\n{good}")
    assert [permit.card for permit in found.permits] == ["0A00000001", "0A00000009"]
    (error,) = found.errors
    assert error.startswith(f"{tmp_path / 'cards.csv'}:{says}")


def test_a_cell_of_several_lines_is_named_where_it_begins_and_takes_no_card_with_it(tmp_path: Path) -> None:
    lines = [f"0A000000{card:02X},monthly,2026-06-01,2026-06-30,B-1202" for card in range(6)]
    lines[1] = lines[1].replace("B-", '"B-')
    lines[3] = lines[3].replace("B-1202", '"B-12""02"')
    found = sheet(tmp_path, "\n".join([f"{HEAD},holder", *lines]))
    assert [permit.card[-1] for permit in found.permits] == ["0", "2", "3", "4", "5"]
    assert found.permits[2].holder == 'B-12"02'
    (error,) = found.errors
    assert error.startswith(f"{tmp_path / 'cards.csv'}:3:42: holder: found a quote that is not closed, ")


def test_blanks_around_a_cell_do_not_count(tmp_path: Path) -> None:
    text = f"{HEAD.replace(',', ' , ')}\n 0A00000002 , monthly , 2026-06-01 , 2026-06-30 \n , \n"
    assert [permit.kind for permit in sheet(tmp_path, text).permits] == [PermitKind.MONTHLY]
    assert not sheet(tmp_path, text).errors


def test_every_card_stands_once_in_either_case(tmp_path: Path) -> None:
    line = "monthly,2026-06-01,2026-06-30\n"
    found = sheet(tmp_path, f"{HEAD}\n0a0000000f,{line}0A0000000F,{line}")
    assert [permit.card for permit in found.permits] == ["0A0000000F"]
    assert found.errors == (
        f"{tmp_path / 'cards.csv'}:3:1: card: found the card of line 2 again, expected each card once",
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "1:1: found no column card, kind, valid_from, valid_to, expected card,kind"),
        (f"{HEAD},colour\n", "1:31: found the column 'colour' that there is not, expected card,kind"),
        (f"{HEAD},kind\n", "1:31: found the column 'kind' a second time, expected card,kind"),
        ("card,kind\n", "1:1: found no column valid_from, valid_to, expected card,kind"),
        (f'{HEAD}\n"{"x" * 140_000}', "2:1: card: found field larger than field limit"),
        (f'card,"kind\n{HEAD}', "1:6: found a quote that is not closed, expected one at the end of every"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, error: str) -> None:
    found = sheet(tmp_path, text)
    assert found.permits == ()
    assert len(found.errors) == 1
    assert found.errors[0].startswith(f"{tmp_path / 'cards.csv'}:{error}")


def test_bytes_that_are_no_text_are_named_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "cards.csv"
    file.write_bytes(f"{HEAD}\n".encode() + b"0A00000001,\xff\xff")
    assert read(file, ISSUING).errors == (
        f"{file}:2:1: found bytes that are neither UTF-8 nor GB 18030, expected text",
    )


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300))
def test_no_file_breaks_the_import(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "cards.csv"
    file.write_bytes(f"{HEAD}\n".encode() + data)
    assert read(file, ISSUING).permits == ()
