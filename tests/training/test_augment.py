import torch
from torch import Tensor
from torch.nn import functional

from pipeline.training.augment import augment

BLACK = -128


def images(count: int = 200) -> Tensor:
    """int8 [N, 3, 4, 5] as a twin encodes them; no two pixels of an image are equal, none black."""
    pixels = torch.arange(60).view(1, 3, 4, 5) - torch.arange(count).view(-1, 1, 1, 1) % 60
    return pixels.to(torch.int8)


def windows(image: Tensor, padding: int) -> dict[tuple[int, int], Tensor]:
    """Every window of the padded image, by the place of its first pixel."""
    padded = functional.pad(image, (padding,) * 4, value=BLACK)
    places = [(i, j) for i in range(2 * padding + 1) for j in range(2 * padding + 1)]
    return {(i, j): padded[:, i : i + image.shape[1], j : j + image.shape[2]] for i, j in places}


def test_each_image_is_a_window_of_itself_padded_with_black() -> None:
    torch.manual_seed(1)
    before = images()
    after = augment(before, 2, flip=False, black=BLACK)
    assert after.shape == before.shape
    assert after.dtype == torch.int8
    chosen = []
    for old, new in zip(before, after, strict=True):
        found = [at for at, window in windows(old, 2).items() if torch.equal(window, new)]
        assert len(found) == 1
        chosen += found
    assert len(set(chosen)) == 25, "every shift occurs, and images are shifted by themselves"


def test_each_channel_is_padded_with_its_own_black() -> None:
    torch.manual_seed(1)
    before = torch.full((50, 3, 4, 5), 9.0)
    after = augment(before, 4, flip=False, black=(0.5, -1.0, 2.0))
    for channel, black in enumerate((0.5, -1.0, 2.0)):
        assert after[:, channel].unique().tolist() == sorted([black, 9.0])


def test_flipped_images_are_mirrored_left_to_right() -> None:
    torch.manual_seed(1)
    before = images()
    after = augment(before, 0, flip=True, black=BLACK)
    mirrored = 0
    for old, new in zip(before, after, strict=True):
        if torch.equal(new, old.flip(2)):
            mirrored += 1
        else:
            assert torch.equal(new, old)
    assert 70 < mirrored < 130


def test_both_together_are_a_window_of_the_image_or_of_its_mirror_image() -> None:
    torch.manual_seed(1)
    before = images()
    mirrored = 0
    for old, new in zip(before, augment(before, 1, flip=True, black=BLACK), strict=True):
        plain = [torch.equal(window, new) for window in windows(old, 1).values()]
        turned = [torch.equal(window, new) for window in windows(old.flip(2), 1).values()]
        assert sum(plain) + sum(turned) == 1
        mirrored += any(turned)
    assert 70 < mirrored < 130


def test_torch_s_generator_alone_decides() -> None:
    torch.manual_seed(7)
    first, second = (augment(images(), 2, flip=True, black=BLACK) for _ in range(2))
    torch.manual_seed(7)
    assert torch.equal(augment(images(), 2, flip=True, black=BLACK), first)
    assert not torch.equal(first, second)


def test_without_augmentation_nothing_is_copied_or_drawn() -> None:
    before, state = images(), torch.get_rng_state()
    assert augment(before, 0, flip=False, black=BLACK) is before
    assert torch.equal(torch.get_rng_state(), state)


def test_the_images_given_stay_as_they_are() -> None:
    before = images()
    augment(before, 2, flip=True, black=BLACK)
    assert torch.equal(before, images())


def test_each_part_of_a_batch_gets_what_it_would_get_in_the_whole() -> None:
    torch.manual_seed(7)
    whole = augment(images(), 2, flip=True, black=BLACK)
    after = torch.get_rng_state()
    parts = []
    for number, part in enumerate(images().chunk(4)):
        torch.manual_seed(7)
        parts.append(augment(part, 2, flip=True, black=BLACK, part=(number, 4)))
        assert torch.equal(torch.get_rng_state(), after), "the next draw is the same for all"
    assert torch.equal(torch.cat(parts), whole)
