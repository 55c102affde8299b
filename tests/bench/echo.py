"""The least that a gateway in Python could be: a card in, a relay's command out, and nothing between.

echo.py READER BUS: the paths of two pseudo-terminals.
"""

import os
import select
import sys

COMMAND = bytes.fromhex("01050000ff008c3a")

reader, bus = (os.open(path, os.O_RDWR | os.O_NOCTTY) for path in sys.argv[1:])
print("ready", flush=True)
while True:
    select.select([reader], [], [])
    if os.read(reader, 64):
        os.write(bus, COMMAND)
