"""A Sparkplug transport alone in a process, to be killed: `sparkplug_under_test.py FOLDER PORT`."""

import sys
import time
from pathlib import Path

from sitewarden.rules.model import Reading

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.gateway.test_sparkplug_server import Stage


def main(folder: str, port: str) -> None:
    stage = Stage(Path(folder), int(port))
    stage.transport.prepare()
    while True:
        stage.send(Reading("tank.level", 1.5, stage.house.later(0.01)))
        time.sleep(0.001)


if __name__ == "__main__":
    main(*sys.argv[1:])
