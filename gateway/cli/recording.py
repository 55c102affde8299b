"""`record` and `replay`: the bytes of a link, kept and run again."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sitewarden.gateway.cli.common import SITE, Config, Failure, For, Json, print_json
from sitewarden.gateway.cli.remote import Gateway
from sitewarden.gateway.mask import mask
from sitewarden.gateway.recording import Replayed, ended
from sitewarden.gateway.recording import replay as replayed
from sitewarden.rules.model import AlarmChange, Decision, FireChange, LinkChanged, Passage, Reading

STEP = 0.2  # s between two looks at the growing file
Shown = Decision | Passage | AlarmChange | FireChange | LinkChanged | Reading


def record(
    link: Annotated[str, typer.Argument(help="A link of the configuration.", metavar="LINK")],
    file: Annotated[Path, typer.Argument(help="Where the recording goes.", metavar="FILE")],
    for_: For = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    config: Config = SITE,
) -> None:
    """Record a live link: every byte and instant, with all that a replay needs.

    The link's driver begins anew, so that the recording needs no memory of what was before; what its
    outputs hold stays held. It ends early when a reload alters the link, at 200 MB, and when the disk
    cannot follow. The file has the numbers of the cards that are swiped meanwhile, with their days, lanes
    and space; no other card, and nobody's name or plate.

    \b
    sitewarden record gate-in swipe.jsonl --for 30s
    sitewarden replay swipe.jsonl
    """
    if not file.parent.is_dir():
        raise Failure(f"{file}: found no folder {file.parent}, expected one")
    if file.is_dir() or (file.exists() and not force):
        raise Failure(f"{file}: is there already" + ("" if file.is_dir() else "; --force overwrites it"))
    gateway = Gateway(config)
    until = None if for_ is None else time.monotonic() + for_
    kept = Path(gateway.ask("POST", f"/links/{link}/record", {"on": True})["path"])
    try:
        _watch(link, kept, until)
    finally:
        gateway.ask("POST", f"/links/{link}/record", {"on": False})
        _move(kept, file)
    print(f"{file}: {file.stat().st_size:,} bytes of {link}; swiped cards by number, without name and plate")
    if why := ended(file):
        raise Failure(f"{file}: the recording ended early: {why}")


def _move(kept: Path, file: Path) -> None:
    try:
        shutil.move(kept, file)
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}; the recording is {kept}") from error


def _watch(link: str, kept: Path, until: float | None) -> None:
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(link)
        try:
            while until is None or time.monotonic() < until:
                size = kept.stat().st_size if kept.exists() else 0
                if size and ended(kept):
                    return
                progress.update(task, description=f"{link}: {size:,} bytes, Ctrl-C ends it")
                time.sleep(STEP)
        except KeyboardInterrupt:
            return


def replay(
    file: Annotated[
        Path, typer.Argument(help="A recording.", metavar="FILE", exists=True, dir_okay=False, readable=True)
    ],
    as_json: Json = False,
    readings: Annotated[bool, typer.Option("--readings", help="Show readings too.")] = False,
) -> None:
    """Run a recording through the same driver and the rules on its devices, in virtual time.

    Whether the driver says now what it said then is compared: exit code 1 if not. What the rules decide
    is printed and not compared: live, they also heard of other links, operators, permits and the clock.

    \b
    sitewarden replay swipe.jsonl
    sitewarden replay swipe.jsonl --json | jq '.effects[] | select(.kind == "Decision")'
    """
    effects: Counter[str] = Counter()
    shown: list[dict[str, str]] = []
    calls = same = 0
    try:
        for step in _steps(file):
            calls, same = calls + 1, same + step.same
            for effect in step.effects:
                effects[type(effect).__name__] += 1
                if isinstance(effect, Shown) and (readings or not isinstance(effect, Reading)):
                    at, kind, words = _instant(effect), type(effect).__name__, _words(effect)
                    shown.append({"at": at, "kind": kind, "what": words})
                    if not as_json:
                        print(f"{at}  {kind:<11} {words}")
    except ValueError as error:
        raise typer.BadParameter(f"{file}: {error}") from error
    if not calls:
        raise typer.BadParameter(f"{file}: nothing happened on the link while it was recorded")
    if as_json:
        print_json({"calls": calls, "same": same, "counts": dict(effects), "effects": shown})
    else:
        print(f"{calls} calls of the driver, {same} answered as they were; {json.dumps(dict(effects))}")
    if same != calls:
        raise Failure(
            f"{file}: {calls - same} of {calls} calls were answered otherwise than when it was recorded"
        )


def _instant(effect: Shown) -> str:
    """Its own: what time alone brought about came before the call it is told with."""
    return effect.at.wall.isoformat(timespec="milliseconds")


def _steps(file: Path) -> Iterator[Replayed]:
    with file.open(encoding="utf-8", errors="backslashreplace") as lines:
        yield from replayed(lines)


def _words(effect: Shown) -> str:
    """One line for what people look for."""
    match effect:
        case Decision():
            return f"{effect.lane} {mask(effect.card)} {effect.verdict}: {effect.why}"
        case Passage():
            return f"{effect.lane} {effect.direction} {mask(effect.card)}"
        case AlarmChange():
            return f"{effect.alarm.id}: {effect.before} -> {effect.alarm.state}"
        case FireChange():
            return f"{effect.before} -> {effect.after}"
        case LinkChanged():
            return f"{effect.device} {'up' if effect.up else 'down'} {effect.reason}"
        case Reading():
            return f"{effect.point} = {effect.value} {effect.quality} {effect.reason}"
