"""The files of a TLS section."""

from pathlib import Path

from sitewarden.config.document import Document, Loc
from sitewarden.config.sink_shape import TlsShape
from sitewarden.drivers.plan import Tls


def tls_files(document: Document, loc: Loc, shape: TlsShape, folder: Path) -> Tls:
    """What is missing is noted. Files start from the folder."""
    for key, other in (("cert", "key"), ("key", "cert")):
        if getattr(shape, key) and not getattr(shape, other):
            document.wrong((*loc, key), f"{other!r} beside it: a certificate and its key", at_key=True)
    files = {key: getattr(shape, key) for key in ("ca", "cert", "key")}
    paths = {key: str(folder / file) if file else "" for key, file in files.items()}
    for key, path in paths.items():
        if path and not _readable(path):
            document.wrong((*loc, key), "a file that can be read")
    return Tls(**paths, name=shape.name or "")


def _readable(path: str) -> bool:
    try:
        with Path(path).open("rb"):
            return True
    except OSError:
        return False
