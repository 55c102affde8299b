"""Writes config/grafana/dashboards from the description beside it: python -m tools.grafana"""

import json
from pathlib import Path

from tools.grafana.boards import ANNOTATIONS, BOARDS
from tools.grafana.panels import dashboard

DASHBOARDS = Path(__file__).parents[2] / "config" / "grafana" / "dashboards"


def files() -> dict[Path, str]:
    return {
        DASHBOARDS / f"{board.uid}.json": json.dumps(
            dashboard(board, ANNOTATIONS), ensure_ascii=False, indent=1
        )
        + "\n"
        for board in BOARDS
    }


def main() -> None:
    DASHBOARDS.mkdir(parents=True, exist_ok=True)
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
