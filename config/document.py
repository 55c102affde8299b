"""A YAML 1.2 file as plain values that remember where they stand.

The composer's nodes are kept rather than constructed objects: they know the place of every scalar, show
every duplicate key instead of the first, and build nothing but text, numbers, booleans, lists and maps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from sitewarden.config.errors import ConfigError, ConfigErrors, one_of
from sitewarden.config.syntax import said

Scalar = str | int | float | bool | None
Plain = Scalar | list["Plain"] | dict[Scalar, "Plain"]
Key = Scalar
Loc = tuple[Key, ...]
"""The way to a value: keys of mappings and indices of lists."""

TAG = "tag:yaml.org,2002:"
MOST = 50_000  # values in one file: aliases of aliases can multiply without end
UNREADABLE: Mapping[type[OSError], str] = {
    FileNotFoundError: "no file of this name",
    IsADirectoryError: "a folder",
    PermissionError: "a file that we may not read",
}
SECRETS = frozenset({"token", "password"})  # their values are never shown


@dataclass(frozen=True, slots=True)
class Spot:
    line: int  # from 1
    col: int  # from 1


@dataclass(slots=True)
class Tree:
    """One value, and below it its entries. `key` is where its own key stands in a mapping."""

    value: Plain
    spot: Spot
    key: Spot
    below: dict[Key, "Tree"] = field(default_factory=dict)


@dataclass(slots=True)
class Document:
    """One file. Mistakes are gathered in `errors`, so that all of them can be told at once."""

    file: Path
    root: Tree
    errors: list[ConfigError] = field(default_factory=list)
    holes: set[Loc] = field(default_factory=set)  # every way on which something was taken out

    @property
    def plain(self) -> Plain:
        return self.root.value

    def names(self, *loc: Key) -> list[str]:
        """The keys of the mapping there, whether or not what they hold is right."""
        tree, depth = self._at(loc)
        return [key for key in tree.below if isinstance(key, str)] if depth == len(loc) else []

    def get(self, *loc: Key) -> Plain:
        """The value there, None where there is none."""
        tree, depth = self._at(loc)
        return tree.value if depth == len(loc) else None

    def wrong(self, loc: Loc, expected: str, hint: str = "", found: str = "", at_key: bool = False) -> None:
        """Notes a mistake at the value (or the key) there, or at the nearest thing that exists.

        Nothing is noted where something broken was: it was taken out, and what is said of the rest is
        no more true.
        """
        if loc in self.holes:
            return
        tree, depth = self._at(loc)
        there = depth == len(loc)
        spot = tree.spot if there and not at_key else tree.key
        if not found:
            found = f"the key {loc[-1]!r}" if at_key else describe(tree.value, loc) if there else "nothing"
        self.errors.append(
            ConfigError(str(self.file), spot.line, spot.col, dotted(loc), found, expected, hint)
        )

    def broken(self, loc: Loc, expected: str, hint: str = "", found: str = "", at_key: bool = False) -> None:
        """Notes a mistake whose value is taken out: see `wrong`."""
        self.wrong(loc, expected, hint, found, at_key)
        self.holes |= {loc[:depth] for depth in range(1, len(loc) + 1)}

    def exactly_one(self, loc: Loc, keys: Sequence[str], what: str = "") -> bool:
        """Notes it if not exactly one of the keys stands in the mapping there."""
        given = [key for key in keys if self.get(*loc, key) is not None]
        if len(given) != 1:
            found = " and ".join(map(repr, given)) or "none of these keys"
            self.wrong(loc, f"exactly {one_of(keys)}{what}", found=found, at_key=True)
        return len(given) == 1

    def _at(self, loc: Loc) -> tuple[Tree, int]:
        tree = self.root
        for depth, key in enumerate(loc):
            if key not in tree.below:
                return tree, depth
            tree = tree.below[key]
        return tree, len(loc)


def read(file: Path) -> Document:
    """Raises ConfigErrors if the file cannot be read or is not YAML at all."""
    try:
        return parse(file, file.read_text(encoding="utf-8"))
    except OSError as error:
        found = UNREADABLE.get(type(error), f"a file that cannot be read ({error.strerror})")
        raise _hopeless(file, Spot(1, 1), found, "a YAML file") from error
    except UnicodeDecodeError as error:
        raise _hopeless(
            file, Spot(1, 1), f"the byte {error.object[error.start]:#04x}", "UTF-8 text"
        ) from error


def parse(file: Path, text: str) -> Document:
    start = Spot(1, 1)
    document = Document(file, Tree(None, start, start))
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.composer.warn_double_anchors = False  # YAML allows them: the nearest one before an alias counts
        node = yaml.compose(text)
        if node is None:
            raise _hopeless(
                file, start, "nothing but comments" if text.strip() else "an empty file", "a mapping"
            )
        document.root = _Planter(document).tree(node, _spot(node.start_mark), ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(filter(None, [error.problem, error.context]))
        raise _hopeless(file, _spot(mark) if mark else start, *said(problem)) from error
    except ReaderError as error:
        before = text[: error.position]
        spot = Spot(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise _hopeless(file, spot, f"the control character {text[error.position]!r}", "text") from error
    except (YAMLError, ValueError) as error:
        raise _hopeless(file, start, str(error).splitlines()[0], "YAML") from error
    except RecursionError as error:
        raise _hopeless(file, start, "lists in lists without end", "YAML that a person can read") from error
    return document


def describe(value: Plain, loc: Loc) -> str:
    """What stands there in a few words; secrets stay secret."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping" if value else "an empty mapping"
        case _ if SECRETS.intersection(loc):
            return "a value"
        case list():
            plain = len(str(value)) < 40 and not any(isinstance(item, (dict, list)) for item in value)
            return str(value) if plain else "a list"
        case bool():
            return str(value).lower()
        case str() if len(value) > 60:
            return repr(value[:57] + "…")
        case _:
            return repr(value)


def dotted(loc: Loc) -> str:
    """("stale", 0, "points") as "stale[0].points"."""
    words = "".join(f"[{key}]" if isinstance(key, int) else f".{_word(key)}" for key in loc)
    return words.removeprefix(".")


def _word(key: Key) -> str:
    return key if isinstance(key, str) and key.isprintable() else repr(key)


def _spot(mark: StringMark) -> Spot:
    return Spot(mark.line + 1, mark.column + 1)


def _hopeless(file: Path, spot: Spot, found: str, expected: str) -> ConfigErrors:
    return ConfigErrors([ConfigError(str(file), spot.line, spot.col, "", found, expected)])


@dataclass(slots=True)
class _Planter:
    """Grows a tree from nodes. An alias grows again wherever it is used, so that every path has a place."""

    document: Document
    count: int = 0
    above: set[int] = field(default_factory=set)

    def tree(self, node: Node, key: Spot, loc: Loc) -> Tree:
        spot = _spot(node.start_mark)
        self.count += 1
        if id(node) in self.above or self.count > MOST:
            raise _hopeless(self.document.file, spot, "aliases without end", f"at most {MOST} values in all")
        if isinstance(node, ScalarNode):
            return Tree(self.scalar(node, key, loc), spot, key)
        self.above.add(id(node))
        tree = Tree({}, spot, key)
        if isinstance(node, MappingNode):
            tree.below = self.mapping(node, loc)
            tree.value = {name: entry.value for name, entry in tree.below.items()}
        elif isinstance(node, SequenceNode):
            items = [
                self.tree(item, _spot(item.start_mark), (*loc, at)) for at, item in enumerate(node.value)
            ]
            tree.below = dict(enumerate(items))
            tree.value = [item.value for item in items]
        self.above.remove(id(node))
        return tree

    def mapping(self, node: MappingNode, loc: Loc) -> dict[Key, Tree]:
        entries: dict[Key, Tree] = {}
        merged: dict[Key, Tree] = {}
        for name, value in node.value:
            spot = _spot(name.start_mark)
            if not isinstance(name, ScalarNode):
                self.note(spot, loc, "a mapping or a list as a key", "a word as a key")
            elif str(name.tag) == TAG + "merge":
                for source in self.sources(value):
                    merged = self.mapping(source, loc) | merged
            elif (key := self.scalar(name, spot, loc)) in entries:
                self.note(spot, (*loc, key), "this key a second time", "each key once")
            else:
                entries[key] = self.tree(value, spot, (*loc, key))
        return merged | entries

    def sources(self, node: Node) -> Iterator[MappingNode]:
        """What `<<` takes in: a mapping or a list of mappings, the first of which wins."""
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            self.count += 1
            if isinstance(source, MappingNode) and id(source) not in self.above and self.count <= MOST:
                yield source
            else:
                self.note(
                    _spot(source.start_mark), (), "something else under <<", "a mapping to take keys from"
                )

    def scalar(self, node: ScalarNode, key: Spot, loc: Loc) -> Scalar:
        text, tag = str(node.value), str(node.tag)
        convert = SCALARS.get(tag.removeprefix(TAG))
        try:
            if convert:
                return convert(text)
        except ValueError:
            return text
        self.note(_spot(node.start_mark), loc, f"the tag {tag!r}", "no tag")
        return text

    def note(self, spot: Spot, loc: Loc, found: str, expected: str) -> None:
        error = ConfigError(str(self.document.file), spot.line, spot.col, dotted(loc), found, expected)
        self.document.errors.append(error)


def _int(text: str) -> int:
    digits = text.lower().lstrip("+-").replace("_", "")
    number = int(digits, 0) if digits[:2] in {"0x", "0o", "0b"} else int(digits)
    return -number if text.startswith("-") else number


def _float(text: str) -> float:
    return float(text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))


def _bool(text: str) -> bool:
    return text.lower() in {"true", "yes", "on"}


def _null(text: str) -> None:
    return None


SCALARS: Mapping[str, Callable[[str], Scalar]] = {
    "str": str,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "null": _null,
    "timestamp": str,
    "value": str,
}
