"""Which cloud a machine says it is, and which provider a name in the configuration means."""

import os
from pathlib import Path

import pytest

from srcroutd.providers.aliyun import AliyunProvider
from srcroutd.providers.dmi import detect
from srcroutd.providers.registry import NoCloudError, UnknownProviderError, make, resolve


def machine(folder: Path, **strings: bytes) -> Path:
    for name, value in strings.items():
        (folder / name).write_bytes(value)
    return folder


def test_alibaba_cloud_is_recognised_by_its_vendor(tmp_path: Path) -> None:
    assert detect(machine(tmp_path, sys_vendor=b"Alibaba Cloud\n")) == "aliyun"


def test_alibaba_cloud_is_recognised_by_its_product(tmp_path: Path) -> None:
    assert detect(machine(tmp_path, product_name=b"Alibaba Cloud ECS\n")) == "aliyun"


@pytest.mark.parametrize(
    "vendor",
    [
        b"QEMU\n",
        b"Amazon EC2\n",
        b"alibaba cloud\n",
        b"Alibaba Cloud Fake\n",
        b"Not Alibaba Cloud\n",
        b"Alibaba Cloud ECS\n",
        b"",
        b"\x00\xff\xfe" * 400,
        b"Alibaba Cloud\n" * 100_000,
    ],
)
def test_any_other_vendor_is_no_cloud_we_know(tmp_path: Path, vendor: bytes) -> None:
    assert detect(machine(tmp_path, sys_vendor=vendor, product_name=b"Standard PC\n")) is None


def test_a_machine_without_dmi_is_no_cloud(tmp_path: Path) -> None:
    assert detect(tmp_path / "missing") is None


def test_a_folder_or_a_pipe_in_place_of_a_string_neither_fails_nor_blocks(tmp_path: Path) -> None:
    (tmp_path / "sys_vendor").mkdir()
    os.mkfifo(tmp_path / "product_name")
    assert detect(tmp_path) is None


def test_auto_becomes_the_provider_of_the_cloud_that_dmi_names(tmp_path: Path) -> None:
    folder = machine(tmp_path, sys_vendor=b"Alibaba Cloud\n")
    assert resolve("auto", folder) == "aliyun"
    assert isinstance(make("auto", dmi_dir=folder), AliyunProvider)


def test_auto_makes_nothing_at_all_where_dmi_names_no_cloud(tmp_path: Path) -> None:
    with pytest.raises(NoCloudError, match='set provider = "static"'):
        make("auto", dmi_dir=machine(tmp_path, sys_vendor=b"QEMU\n"))


def test_a_named_provider_does_not_ask_dmi(tmp_path: Path) -> None:
    assert isinstance(make("aliyun", dmi_dir=tmp_path), AliyunProvider)


def test_an_unknown_name_hears_the_nearest_known_one() -> None:
    with pytest.raises(
        UnknownProviderError, match="'Aliyum' is not a provider; did you mean aliyun"
    ):
        resolve("Aliyum")
    with pytest.raises(UnknownProviderError, match="known are auto, aliyun, static"):
        resolve("q")
