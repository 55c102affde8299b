"""A configuration read in a process of its own.

Reading one takes a parser, models of all that may stand in it and a lot of garbage. All of that goes with
the process that did it; what is left here is the site. (Measured, with the command line's own: 9 of 86 MB.)
"""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sitewarden.config.errors import ConfigErrors

if TYPE_CHECKING:  # whoever starts the other process need not have loaded it yet
    from sitewarden.config.plan import Site


def load(path: Path) -> "Site":
    """As `site.load` does, raising ConfigErrors with every mistake."""
    command = [sys.executable, "-m", __name__, str(path)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    read: Site | ConfigErrors = pickle.loads(told)  # noqa: S301 - it is this very module that wrote it
    if isinstance(read, ConfigErrors):
        raise read
    return read


def _read(path: Path) -> "Site | ConfigErrors":
    from sitewarden.config import site  # noqa: PLC0415 - here, in the other process, and nowhere else

    try:
        return site.load(path)
    except ConfigErrors as wrong:
        return wrong


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(_read(Path(sys.argv[1]))))
