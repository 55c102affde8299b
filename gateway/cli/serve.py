"""The gateway as a process: `python -m sitewarden.gateway.cli.serve CONFIG [--verbose]`.

`sitewarden run` becomes this one, so that nothing stays in memory of what only the command line needs. While
the gateway's own half is imported another process reads the configuration: each takes half a second.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sitewarden.config.apart import load
from sitewarden.config.errors import ConfigErrors

VERBOSE = "--verbose"


def serve(config: Path, verbose: bool) -> str:
    """Returns what went wrong, or nothing."""
    with ThreadPoolExecutor(1) as meanwhile:
        reading = meanwhile.submit(load, config)
        from sitewarden.gateway.app import DataDirectoryBusy  # noqa: PLC0415
        from sitewarden.gateway.cli.live import live  # noqa: PLC0415
    try:
        live(reading.result(), verbose)
    except (ConfigErrors, DataDirectoryBusy, OSError) as error:
        from sitewarden.gateway.cli import common  # noqa: PLC0415 - what a failure needs is not there in vain

        return str(
            common.mistakes(error) if isinstance(error, ConfigErrors) else common.refused(config, error)
        )
    return ""


def main(words: Sequence[str]) -> int:
    if wrong := serve(Path(words[0]), VERBOSE in words):
        print(wrong, file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
