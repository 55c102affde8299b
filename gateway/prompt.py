"""What the interpreter is told so that nothing else in this process holds up a barrier."""

import gc
import sys

TURN = 0.0005  # s


def be_prompt() -> None:
    """Called once, when all has been built that stays.

    A thread that computes (the API under a crowd of clients) keeps the interpreter for a whole turn, and a
    swipe needs it several times on its way to the relay: the default turn is 5 ms. And a full garbage
    collection goes through everything that was ever built, the API's models above all, which took 70 to
    95 ms; what is frozen is not looked at again.
    """
    sys.setswitchinterval(TURN)
    gc.collect()
    gc.freeze()
