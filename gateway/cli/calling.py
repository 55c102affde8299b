"""How this program is called from where one stands: `make demo` leaves it out of PATH."""

import shlex
import shutil
import sys
from pathlib import Path

NAME = "sitewarden"
MODULE = "sitewarden.gateway"


def me() -> str:
    """Words that a shell runs this very program with."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":  # python -m
        return f"{shlex.quote(sys.executable)} -m {MODULE}"
    found = shutil.which(NAME)
    return NAME if found and called.exists() and Path(found).samefile(called) else shlex.quote(sys.argv[0])
