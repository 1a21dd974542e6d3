#!/usr/bin/env python3
"""Makes of an MPEG-4 Part 2 stream (m4v) one that XviD and DivX write and none of ffmpeg's encoders does.

    mpeg4.py IN OUT --hold N               every Nth P-VOP is not coded: the picture before it stays on
    mpeg4.py IN OUT --packed 160x90 RATE   an AVI whose B-VOPs are packed: each group of them lies in the chunk of
                                           the picture that they refer to, and a VOP that is not coded fills its place

Numbers of sections are those of ISO/IEC 14496-2.
"""

import argparse
import pathlib
import re
import struct

START = b"\x00\x00\x01"
VOP = START + b"\xb6"
I, P, B = range(3)
# Decoders know by it that B-VOPs are packed.
PACKED = START + b"\xb2DivX503b1393p"
KEYFRAME = 0x10


def vops(data):
    """Each VOP with the headers before it."""
    places = [match.start() for match in re.finditer(START, data)]
    begin, found = 0, []
    for place, end in zip(places, places[1:] + [len(data)]):
        if data[place : place + 4] == VOP:
            found.append(data[begin:end])
            begin = end
    return found


def coding_type(vop):
    """vop_coding_type (6.2.5) of the first VOP."""
    return vop[vop.index(VOP) + 4] >> 6


def increment_bits(data):
    """Length of vop_time_increment: as long as vop_time_increment_resolution needs (6.2.3)."""
    layer = re.search(START + rb"[\x20-\x2f]", data).end()
    text = "".join(f"{byte:08b}" for byte in data[layer : layer + 32])
    at = 9
    at += 8 if text[at] == "1" else 1
    at += 20 if text[at : at + 4] == "1111" else 4
    if text[at] == "1":
        at += 4
        at += 79 if text[at] == "1" else 0
    # video_object_layer_shape and a marker.
    at += 4
    return max(1, (int(text[at : at + 16], 2) - 1).bit_length())


def not_coded(vop, bits):
    """6.2.5: a P-VOP at the same time with vop_coded 0, and stuffing."""
    begin = vop.rindex(VOP)
    text = "".join(f"{byte:08b}" for byte in vop[begin + 4 : begin + 16])
    end = text.index("0", 2) + 1 + 1 + bits + 1
    text = "01" + text[2:end] + "0" + "0"
    text += "1" * (-len(text) % 8)
    return VOP + int(text, 2).to_bytes(len(text) // 8, "big")


def held(data, every):
    bits, found, met = increment_bits(data), [], 0
    for vop in vops(data):
        if coding_type(vop) == P:
            met += 1
            vop = not_coded(vop, bits) if met % every == 0 else vop
        found.append(vop)
    return b"".join(found)


def packed(data):
    """Chunks of an AVI."""
    bits, chunks, group = increment_bits(data), [], []
    for vop in vops(data) + [None]:
        if vop is not None and coding_type(vop) == B:
            group.append(vop)
            continue
        if len(group) > 1:
            chunks += [group[0] + group[1]] + group[2:] + [not_coded(group[0], bits)]
        else:
            chunks += group
        group = [vop]
    headed = [(chunk, chunk.index(VOP)) for chunk in chunks]
    return [c[:at] + PACKED + c[at:] if coding_type(c) == I else c for c, at in headed]


def box(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2)


def avi(chunks, size, rate):
    """A RIFF file with one stream and its index, as VirtualDub writes it."""
    width, height = (int(number) for number in size.split("x"))
    most = max(len(chunk) for chunk in chunks)
    main = struct.pack("<14I", 1000000 // rate, 0, 0, 0x10, len(chunks), 0, 1, most, width, height, 0, 0, 0, 0)
    stream = b"vidsXVID" + struct.pack("<10I4H", 0, 0, 0, 1, rate, 0, len(chunks), most, 2**32 - 1, 0, 0, 0, width, height)
    picture = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"XVID", width * height * 3, 0, 0, 0, 0)
    media, index = b"movi", b""
    for chunk in chunks:
        flags = KEYFRAME if coding_type(chunk) == I else 0
        index += b"00dc" + struct.pack("<III", flags, len(media), len(chunk))
        media += box(b"00dc", chunk)
    streams = box(b"LIST", b"strl" + box(b"strh", stream) + box(b"strf", picture))
    headers = box(b"LIST", b"hdrl" + box(b"avih", main) + streams)
    return box(b"RIFF", b"AVI " + headers + box(b"LIST", media) + box(b"idx1", index))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("input", type=pathlib.Path)
    options.add_argument("output", type=pathlib.Path)
    what = options.add_mutually_exclusive_group(required=True)
    what.add_argument("--hold", type=int, metavar="N")
    what.add_argument("--packed", nargs=2, metavar=("SIZE", "RATE"))
    args = options.parse_args()
    data = args.input.read_bytes()
    if args.hold:
        args.output.write_bytes(held(data, args.hold))
    else:
        size, rate = args.packed
        args.output.write_bytes(avi(packed(data), size, int(rate)))


if __name__ == "__main__":
    main()
