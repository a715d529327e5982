"""The example configuration and the parser tell the same: every key, every default."""

import re
import tomllib
from pathlib import Path

from srcroutd.daemon import configaccess, configegress, configload, configshape
from srcroutd.daemon.configfile import load

EXAMPLE = Path(__file__).parents[2] / "packaging" / "srcroutd.toml"


def uncommented() -> str:
    """The example with its settings switched on and its prose left out."""
    lines = [line.removeprefix("# ") for line in EXAMPLE.read_text().splitlines()]
    return "\n".join(line for line in lines if re.match(r"\[|[a-z_0-9]+ = ", line))


def test_the_example_as_shipped_changes_nothing(tmp_path: Path) -> None:
    assert load(EXAMPLE) == load(tmp_path / "none.toml")


def test_the_example_names_every_key_and_no_other() -> None:
    content = tomllib.loads(uncommented())
    assert content.keys() == configshape.File.model_fields.keys()
    assert content["nic"][0].keys() == configshape.Nic.model_fields.keys()
    assert content["nic"][0]["routes"][0].keys() == configshape.ExtraRoute.model_fields.keys()
    aliases = {field.alias or name for name, field in configaccess.Access.model_fields.items()}
    assert {key for entry in content["access"] for key in entry} == aliases
    assert content["egress"][0].keys() == configegress.Egress.model_fields.keys()
    assert content["load"][0].keys() == configload.Load.model_fields.keys()
    (eni,) = content["eni"]
    assert eni.keys() == configshape.Eni.model_fields.keys()
    assert eni["ipv4"].keys() == configshape.Family4.model_fields.keys()
    assert eni["ipv6"].keys() == configshape.Family6.model_fields.keys()


def test_the_settings_shown_as_defaults_are_the_defaults(tmp_path: Path) -> None:
    shown = "\n".join(line for line in uncommented().split("[[")[0].splitlines())
    file = tmp_path / "srcroutd.toml"
    file.write_text(shown)
    assert load(file) == load(tmp_path / "none.toml")


def test_the_whole_example_is_good_once_the_provider_is_static(tmp_path: Path) -> None:
    file = tmp_path / "srcroutd.toml"
    file.write_text(uncommented().replace('provider = "auto"', 'provider = "static"'))
    assert [eni.id for eni in load(file).enis] == ["uplink-b"]
