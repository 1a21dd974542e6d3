#!/usr/bin/env python3
"""Gives the video of an MP4 a clean aperture (`clap`, ISO/IEC 14496-12 12.1.4): what of its pictures is shown.

    clap.py IN OUT LEFT TOP RIGHT BOTTOM

So many pixels are cut off each edge. The index (`moov`) has to come last: nothing else moves then.
"""

import argparse
import pathlib
import struct

PATH = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"]


def boxes(data, at, end):
    while at < end:
        size, kind = struct.unpack_from(">I4s", data, at)
        yield at, at + (size or end - at), kind
        at += size or end - at


def way(data, at, end, path):
    """Places of the boxes on the way to the first sample entry of pictures."""
    if not path:
        return next(([start] for start, _, kind in boxes(data, at + 8, end) if kind in (b"avc1", b"hvc1", b"mp4v")), None)
    for start, after, kind in boxes(data, at, end):
        rest = way(data, start + 8, after, path[1:]) if kind == path[0] else None
        if rest:
            return [start, *rest]
    return None


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("input", type=pathlib.Path)
    options.add_argument("output", type=pathlib.Path)
    options.add_argument("edges", type=int, nargs=4, metavar="PIXELS")
    args = options.parse_args()
    data = bytearray(args.input.read_bytes())
    assert [kind for _, _, kind in boxes(data, 0, len(data))][-1] == b"moov", "moov is not last"
    places = way(data, 0, len(data), PATH)
    width, height = struct.unpack_from(">HH", data, places[-1] + 32)
    left, top, right, bottom = args.edges
    # Sizes, then how far the centre lies from that of the whole picture: fractions all.
    values = (width - left - right, 1, height - top - bottom, 1, left - right, 2, top - bottom, 2)
    clap = struct.pack(">I4sIIIIiIiI", 40, b"clap", *values)
    end = places[-1] + struct.unpack_from(">I", data, places[-1])[0]
    for place in places:
        size = struct.unpack_from(">I", data, place)[0]
        struct.pack_into(">I", data, place, size + len(clap))
    data[end:end] = clap
    args.output.write_bytes(data)


if __name__ == "__main__":
    main()
