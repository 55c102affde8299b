"""A process that tells a broker numbers until it is killed. Its arguments: SPOOL PORT FIRST ANSWER.

Each number that is in the spool for good is printed; the board is what was read last.
"""

import sys
from pathlib import Path
from time import sleep

from sitewarden.gateway.sinks.mqtt import connection
from tests.gateway.broker_stage import Stage

EACH = 20  # numbers a commit
PAUSE = 0.02  # s between two


def main(spool: Path, port: int, first: int, answer: float) -> None:
    connection.CONNECT = connection.ANSWER = answer
    stage = Stage(spool, port)
    stage.start()
    while True:
        stage.tell(*(stage.read(float(number)) for number in range(first, first + EACH)))
        first += EACH
        print(first, flush=True)  # noqa: T201 - the one who kills it counts
        sleep(PAUSE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:4]), float(sys.argv[4]))
