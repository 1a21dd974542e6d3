#!/usr/bin/env python3
"""Adds the boxes of Google's Spherical Video V2 to the first track of an MP4 whose moov lies behind its media.

    spherical.py IN OUT [--stereo MODE] [--angles YAW PITCH ROLL] [--bounds TOP BOTTOM LEFT RIGHT] [--cubemap PADDING]

MODE is 0 (one eye), 1 (top and bottom) or 2 (left and right); angles are degrees, bounds parts of 2^32.
"""

import argparse
import struct

PATH = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"]


def box(kind, *content):
    content = b"".join(content)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind, *content):
    return box(kind, bytes(4), *content)


def find(data, kind, start, end):
    """Where the first box of a kind begins and ends."""
    while start < end:
        size, name = struct.unpack_from(">I4s", data, start)
        if size == 1:
            size = struct.unpack_from(">Q", data, start + 8)[0]
        if kind is None or name == kind:
            return start, start + size
        start += size
    raise SystemExit(f"no {kind} box")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--stereo", type=int)
    parser.add_argument("--angles", type=float, nargs=3)
    parser.add_argument("--bounds", type=lambda text: int(text, 0), nargs=4, default=[0, 0, 0, 0])
    parser.add_argument("--cubemap", type=int)
    asked = parser.parse_args()
    with open(asked.source, "rb") as file:
        data = bytearray(file.read())
    more = b""
    if asked.stereo is not None:
        more += full(b"st3d", bytes([asked.stereo]))
    if asked.angles:
        angles = struct.pack(">iii", *(round(angle * 65536) for angle in asked.angles))
        if asked.cubemap is None:
            shape = full(b"equi", struct.pack(">4I", *asked.bounds))
        else:
            shape = full(b"cbmp", struct.pack(">II", 0, asked.cubemap))
        more += box(b"sv3d", full(b"svhd", b"test\0"), box(b"proj", full(b"prhd", angles), shape))
    start, end, grown = 0, len(data), []
    for kind in PATH:
        start, end = find(data, kind, start, end)
        grown.append(start)
        start += 8
    # Version, flags and the number of entries; then the entry itself.
    entry, end = find(data, None, start + 8, end)
    grown.append(entry)
    for place in grown:
        size = struct.unpack_from(">I", data, place)[0]
        struct.pack_into(">I", data, place, size + len(more))
    data[end:end] = more
    with open(asked.target, "wb") as file:
        file.write(data)


main()
