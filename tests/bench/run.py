"""Runs the benchmarks, prints a table and writes build/bench.json: `run.py [group …]`.

A group is a module here, bench_<group>.py, whose `figures()` yields what it measured.
"""

import importlib
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OUT = ROOT / "build" / "bench.json"
WIDE = 160  # columns, where no terminal says how many there are


def groups() -> list[str]:
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - set(groups())
    if unknown:
        print(f"unknown group {', '.join(sorted(unknown))}; there are {', '.join(groups())}", file=sys.stderr)
        return 2
    sys.path.insert(0, str(ROOT))  # tests.bench.… however this was started
    console, figures = Console(width=None if sys.stdout.isatty() else WIDE), []
    table = Table("measured", "value", "unit", "baseline", "ratio", "target", "holds", "note")
    spinner = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console
    )
    with spinner:
        for group in wanted or groups():
            spinner.add_task(group, total=None)
            for figure in importlib.import_module(f"tests.bench.bench_{group}").figures():
                figures.append(figure.as_json())
                table.add_row(
                    figure.name,
                    f"{figure.value:,.4g}",
                    figure.unit,
                    "" if figure.baseline is None else f"{figure.baseline:,.4g}",
                    "" if figure.ratio is None else f"{figure.ratio:.2f}",
                    ""
                    if figure.target is None
                    else f"{'≤' if figure.best == 'low' else '≥'} {figure.target:g}",
                    {True: "yes", False: "[bold]no[/]", None: ""}[figure.holds],
                    figure.note,
                )
    console.print(table)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written to {OUT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
