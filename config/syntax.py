"""What the YAML library says of a text that is no YAML, in the form of other mistakes: found, expected."""

import re

PHRASES = tuple(
    (re.compile(pattern, re.DOTALL), found, expected)
    for pattern, found, expected in (
        (r"found character '\\t'", "a tab", "blanks: tabs do not indent"),
        (
            r"found character (.+?) that cannot",
            "the character {0}",
            "a value; quotes around a text that begins so",
        ),
        (
            "mapping values are not allowed",
            "a ':' that belongs to no key of this line",
            "one 'key: value' a line, indented like its neighbours; quotes around a text with ': '",
        ),
        (r"undefined alias '(.+)'", "the alias *{0}", "the anchor &{0} somewhere before it"),
        (
            "unexpected end of stream while scanning a.* quoted",
            "the end of the file",
            "the quote that ends the text",
        ),
        (
            r"unknown escape character '(.+?)'",
            r"the escape \{0}",
            "one of YAML's; between single quotes \\ is itself",
        ),
        ("another document", "a second document", "one document in the file"),
        (r"expected (',' or '.'), but got ('.+?')", "{1}", "{0}"),
        (r"expected <block end>, but found ('.+?')", "{0}", "the next key, indented like those before it"),
        (r"expected the node content, but found ('.+?')", "{0}", "a value"),
        (r"could not find expected ':'", "a line without ':'", "'key: value'"),
        (r"(?:found )?(.+)", "{0}", "YAML"),
    )
)
"""The first that matches is said. The last one matches all that is too rare to have words of its own."""

TOKENS = {
    "<stream end>": "the end of the file",
    "<scalar>": "a text",
    "<anchor>": "an anchor",
    "<alias>": "an alias",
    "<tag>": "a tag",
    "<block mapping start>": "a key",
    "<block sequence start>": "a list",
    "-": "an item of a list",
    "?": "a key",
}


def said(problem: str) -> tuple[str, str]:
    """What was found, and what is expected."""
    for pattern, found, expected in PHRASES:
        if match := pattern.search(problem):
            parts = [TOKENS.get(part.strip("'"), part) for part in match.groups()]
            return found.format(*parts), expected.format(*parts)
    raise ValueError(f"the library said nothing: {problem!r}")
