"""What wears a flash disk out: the bytes that this process had written."""

from pathlib import Path

_IO = Path("/proc/self/io")


def written() -> int:
    """Bytes since the start, of all stores and logs, as the kernel counts what it has to write.

    Source: proc_pid_io(5), `write_bytes`. A file system may write more than that for it.
    """
    counts = dict(line.split(": ") for line in _IO.read_text().splitlines())
    return int(counts["write_bytes"])
