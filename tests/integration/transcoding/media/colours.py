"""How far two colours are apart for an eye (CIEDE2000), and what the standards say a camera's numbers mean."""

from typing import Any, TypeAlias

import numpy as np

Colours: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

WHITE_XY = (0.3127, 0.329)  # D65
PRIMARIES = {
    "bt709": ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06)),
    "smpte170m": ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    "bt470bg": ((0.64, 0.33), (0.29, 0.6), (0.15, 0.06)),
    "bt2020": ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    "smpte432": ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}


def to_xyz(primaries: str) -> Colours:
    """The matrix of linear RGB with these primaries to CIE XYZ."""

    def xyz(x: float, y: float) -> list[float]:
        return [x / y, 1, (1 - x - y) / y]

    corners = np.array([xyz(*corner) for corner in PRIMARIES[primaries]]).T
    return np.asarray(corners * np.linalg.solve(corners, xyz(*WHITE_XY)))


def of_bt709(light: Colours, primaries: str) -> Colours:
    """The same light in other primaries."""
    return np.asarray(light @ np.linalg.solve(to_xyz(primaries), to_xyz("bt709")).T)


def lab(rgb: Colours) -> Colours:
    """Of sRGB in 0..1, the last axis."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ to_xyz("bt709").T / to_xyz("bt709").sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    made: Colours = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
    return made


def apart(one: Colours, other: Colours) -> Colours:
    """Delta E of 2000 between sRGB colours in 0..1. One is about what an eye can tell apart, side by side."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(lab(one), -1, 0), np.moveaxis(lab(other), -1, 0)
    c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(c**7 / (c**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = (h2 - h1 + 180) % 360 - 180
    turn = np.where(c1 * c2 == 0, 0, turn)
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    hm = np.where(c1 * c2 == 0, h1 + h2, (h1 + turn / 2) % 360)

    def wave(factor: float, off: float) -> Colours:
        return np.asarray(np.cos(np.radians(factor * hm + off)))

    t = 1 - 0.17 * wave(1, -30) + 0.24 * wave(2, 0) + 0.32 * wave(3, 6) - 0.2 * wave(4, -63)
    sl = 1 + 0.015 * (lm - 50) ** 2 / np.sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    rc = 2 * np.sqrt(cm**7 / (cm**7 + 25**7))
    rt = -rc * np.sin(np.radians(60 * np.exp(-(((hm - 275) / 25) ** 2))))
    lightness, chroma, hue = dl / sl, dc / sc, dh / sh
    return np.asarray(np.sqrt(lightness**2 + chroma**2 + hue**2 + rt * chroma * hue))


# What light is, where white of a film (BT.2408: 203 candelas) is 1, and the numbers that cameras write for it.


def light_of(film: Colours) -> Colours:
    """What a display shows of a film's numbers (BT.1886): the film was graded on one, and is seen on another."""
    return np.asarray(film**2.4)


def film_of(light: Colours) -> Colours:
    """The numbers for it."""
    return np.asarray(np.clip(light, 0, None) ** (1 / 2.4))


def pq(light: Colours) -> Colours:
    """SMPTE ST 2084."""
    y = (light * 203 / 10000) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375)


def hlg(light: Colours) -> Colours:
    """ARIB STD-B67 for a display of 1000 candelas: the light of the scene, from that of the display."""
    shown = light * 203 / 1000
    luma = shown @ np.array([0.2627, 0.678, 0.0593])
    scene = shown * np.clip(luma, 1e-9, None)[..., None] ** ((1 - 1.2) / 1.2)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.asarray(
        np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.clip(12 * scene - b, 1e-9, None)) + c)
    )


def mobius(light: Colours, peak: float, knee: float = 0.3) -> Colours:
    """The curve that makes room for what is brighter than white, on the largest of the three."""
    a = -(knee**2) * (peak - 1) / (knee**2 - 2 * knee + peak)
    b = (knee**2 - 2 * knee * peak + peak) / (peak - 1)
    most = light.max(axis=-1, keepdims=True)
    bent = (b**2 + 2 * b * knee + knee**2) / (b - a) * (most + a) / (most + b)
    return np.asarray(np.where(most > knee, light * bent / np.clip(most, 1e-9, None), light))
