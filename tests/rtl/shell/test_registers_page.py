"""The page of the registers is written from the table."""

from docs import registers as page
from pipeline.rtl.shell import registers


def test_the_page_is_current() -> None:
    assert page.PAGE.read_text() == page.page(), "run `python docs/registers.py`"


def test_it_has_every_register_and_every_bit() -> None:
    text = page.page()
    for register in registers.REGISTERS:
        assert f"`{register.name}`" in text
        assert all(meaning in text for _, _, meaning in register.bits)
