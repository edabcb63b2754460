"""A room imports only from rooms below it, and docs/architecture.md shows the code as it is."""

from docs import house

ORDER = list(house.HOUSE)


def test_every_module_is_in_a_room() -> None:
    modules = [house.module_of(path) for path in house.files()]
    assert [name for name in modules if house.room(name) is None] == ["pipeline"]
    assert {house.room(name) for name in modules} - {None} == set(ORDER)


def test_no_room_imports_a_higher_one() -> None:
    upwards = [
        f"{house.module_of(path)} imports {name}"
        for path in house.files()
        if (here := house.room(house.module_of(path))) is not None
        for name in sorted(house.imports(path))
        if (there := house.room(name)) is not None and ORDER.index(there) > ORDER.index(here)
    ]
    assert not upwards


def test_the_page_and_its_picture_are_of_today() -> None:
    assert house.PICTURE.read_text() == house.picture(), "run: python docs/house.py"
    text = house.PAGE.read_text()
    assert house.page(text) == text, "run: python docs/house.py"
