"""What another process reads is what this one would have read."""

from pathlib import Path

import pytest

from sitewarden.config import apart, site
from sitewarden.config.errors import ConfigErrors

DEMO = Path(__file__).parents[2] / "config" / "demo" / "site.yaml"


def test_the_site_comes_over_whole() -> None:
    assert apart.load(DEMO) == site.load(DEMO)


def test_so_do_the_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("site: {id: 7}\nlinks: nothing\n", encoding="utf-8")
    with pytest.raises(ConfigErrors) as here:
        site.load(file)
    with pytest.raises(ConfigErrors) as there:
        apart.load(file)
    assert there.value.errors == here.value.errors
    assert str(there.value) == str(here.value) != ""
