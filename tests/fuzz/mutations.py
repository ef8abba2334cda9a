"""What becomes of a film on a bad card, or in bad hands. Each takes a film's bytes and leaves others."""

import random
from collections.abc import Callable, Sequence

Chance = random.Random
Mutation = Callable[[bytearray, Chance, Sequence[bytes]], None]

EDGES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
NAMES = [b"moov", b"moof", b"trak", b"stbl", b"stsd", b"avcC", b"hdrl", b"strl", b"idx1", b"\x16\x54\xae\x6b"]


def flip(data: bytearray, chance: Chance, _: Sequence[bytes]) -> None:
    for _n in range(chance.choice([1, 3, 20, 400])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def flip_the_index(data: bytearray, chance: Chance, _: Sequence[bytes]) -> None:
    """Where a container keeps what it knows of itself, one bit does most."""
    begin, length = _index(data, chance)
    for _n in range(chance.choice([1, 2, 8])):
        data[begin + chance.randrange(length)] ^= 1 << chance.randrange(8)


def number_at_its_edge(data: bytearray, chance: Chance, _: Sequence[bytes]) -> None:
    begin, length = _index(data, chance)
    for _n in range(chance.choice([1, 1, 4])):
        size, order = chance.choice([1, 2, 4, 8]), chance.choice(["big", "little"])
        value = chance.choice(EDGES) % (1 << 8 * size)
        at = begin + chance.randrange(length)
        data[at : at + size] = value.to_bytes(size, "big" if order == "big" else "little")


def noise(data: bytearray, chance: Chance, _: Sequence[bytes]) -> None:
    at, length = _part(data, chance)
    data[at : at + length] = chance.randbytes(length)


def zeroes(data: bytearray, chance: Chance, _: Sequence[bytes]) -> None:
    """As a card leaves what it could not write."""
    at, length = _part(data, chance)
    data[at : at + length] = bytes(length)


def cut_short(data: bytearray, chance: Chance, _: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data)) :]


def left_out(data: bytearray, chance: Chance, _: Sequence[bytes]) -> None:
    at, length = _part(data, chance)
    del data[at : at + length]


def again(data: bytearray, chance: Chance, _: Sequence[bytes]) -> None:
    at, length = _part(data, chance)
    data[at:at] = data[at : at + length]


def exchanged(data: bytearray, chance: Chance, _: Sequence[bytes]) -> None:
    at, length = _part(data, chance)
    other = chance.randrange(len(data))
    part = data[at : at + length]
    data[other : other + len(part)] = part


def with_part_of_another(data: bytearray, chance: Chance, others: Sequence[bytes]) -> None:
    other = chance.choice(others)
    at, length = _part(bytearray(other), chance)
    where = chance.randrange(len(data))
    data[where : where + length] = other[at : at + length]


def head_of_another(data: bytearray, chance: Chance, others: Sequence[bytes]) -> None:
    other = chance.choice(others)
    length = chance.choice([4, 16, 64, 512])
    data[:length] = other[:length]


MUTATIONS: list[Mutation] = [
    *(flip, flip_the_index, flip_the_index, number_at_its_edge, number_at_its_edge, number_at_its_edge),
    *(noise, zeroes, cut_short, left_out, again, exchanged, with_part_of_another, head_of_another),
]


def mutated(film: bytes, chance: Chance, others: Sequence[bytes]) -> tuple[bytes, list[str]]:
    """Another film, and what was done."""
    data, done = bytearray(film), []
    for mutation in chance.choices(MUTATIONS, k=chance.choice([1, 1, 1, 2, 3])):
        if data:
            mutation(data, chance, others)
            done.append(mutation.__name__)
    return bytes(data), done


def _index(data: bytearray, chance: Chance) -> tuple[int, int]:
    """(begin, length) of where the container describes itself: around one of its names, else its first bytes."""
    places = [at for name in NAMES if (at := data.find(name)) >= 0]
    begin = chance.choice([0, *places])
    return begin, max(1, min(chance.choice([64, 512, 4096]), len(data) - begin))


def _part(data: bytearray, chance: Chance) -> tuple[int, int]:
    at = chance.randrange(len(data))
    return at, chance.randrange(1, 2 + min(len(data) - at, chance.choice([4, 188, 4096, 65536])))
