#!/usr/bin/env python3
"""Writes an H.264 stream (Annex B) that is coded by fields, or now by fields and now by frames (PAFF), as
broadcasters' encoders do and none of ffmpeg's does.

    fields.py OUT --pictures 900 [--mixed]

25 interlaced pictures a second of 160x96, top field first, of macroblocks that are not compressed (I_PCM). A bar moves
from field to field; the pattern behind it differs from picture to picture. Numbers of sections are those of ITU-T H.264.
"""

import argparse
import pathlib
import re

WIDTH, HEIGHT = 160, 96
GOP = 25
BAR = 16


class Bits:
    """Bits of a NAL unit, as text."""

    def __init__(self):
        self.done, self.text = bytearray(), ""

    def u(self, length, value):
        self.text += f"{value:0{length}b}"

    def ue(self, value):
        binary = f"{value + 1:b}"
        self.text += "0" * (len(binary) - 1) + binary

    def align(self):
        self.text += "0" * (-len(self.text) % 8)
        self.done += int(self.text or "0", 2).to_bytes(len(self.text) // 8, "big")
        self.text = ""

    def trailing(self):
        """7.3.2.11"""
        self.text += "1"
        self.align()
        return bytes(self.done)


def nal(header, payload):
    return b"\x00\x00\x00\x01" + bytes([header]) + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", payload)


def parameter_sets():
    sps = Bits()
    for length, value in ((8, 77), (8, 0), (8, 30)):
        sps.u(length, value)
    # Id; 8 bits of frame_num; order count of type 0 with 8 bits; one reference frame, no gaps.
    for value in (0, 4, 0, 4, 1):
        sps.ue(value)
    sps.u(1, 0)
    # Sizes in macroblocks; a map unit is one of each field.
    sps.ue(WIDTH // 16 - 1)
    sps.ue(HEIGHT // 32 - 1)
    # frame_mbs_only_flag, mb_adaptive_frame_field_flag, direct_8x8_inference_flag, cropping; then a VUI (E.1.1).
    for value in (0, 0, 1, 0, 1):
        sps.u(1, value)
    sps.u(4, 0)
    # timing_info: 25 frames a second are 50 fields.
    for length, value in ((1, 1), (32, 1), (32, 50), (1, 1), (2, 0), (1, 0), (1, 1), (1, 1)):
        sps.u(length, value)
    # bitstream_restriction: nothing is reordered.
    for value in (0, 0, 10, 10, 0, 1):
        sps.ue(value)
    pps = Bits()
    pps.ue(0)
    pps.ue(0)
    pps.u(2, 0)
    for value in (0, 0, 0):
        pps.ue(value)
    pps.u(3, 0)
    # pic_init_qp, pic_init_qs, chroma_qp_index_offset; deblocking is told by slices.
    for value in (0, 0, 0):
        pps.ue(value)
    pps.u(3, 0b100)
    return nal(0x67, sps.trailing()) + nal(0x68, pps.trailing())


def picture(number):
    """Rows of luma: even ones as they are at one time, odd ones as they are half a picture later."""
    shade = [(40 + number * 7 + 16 * band) % 160 + 40 for band in range(HEIGHT // 16)]
    rows = []
    for y in range(HEIGHT):
        at = (number * 2 + y % 2) * 3 % (WIDTH - BAR)
        row = bytearray([shade[y // 16]]) * WIDTH
        row[at : at + BAR] = b"\xeb" * BAR
        rows.append(bytes(row))
    return rows


def coded(rows, number, parity, kind):
    """A slice with all macroblocks of a frame (`parity` None) or a field."""
    bits = Bits()
    place = number % GOP
    bits.ue(0)
    bits.ue(7)
    bits.ue(0)
    bits.u(8, place)
    bits.u(1, 0 if parity is None else 1)
    if parity is not None:
        bits.u(1, parity)
    if kind == 5:
        bits.ue(number // GOP % 2)
    bits.u(8, 2 * place + (parity or 0))
    # dec_ref_pic_marking: nothing special.
    bits.u(2 if kind == 5 else 1, 0)
    # slice_qp_delta; no deblocking.
    bits.ue(0)
    bits.ue(1)
    for top in range(0, len(rows), 16):
        for left in range(0, WIDTH, 16):
            bits.ue(25)
            bits.align()
            for row in rows[top : top + 16]:
                bits.done += row[left : left + 16]
            bits.done += b"\x80" * 128
    return nal(2 << 5 | kind, bits.trailing())


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("output", type=pathlib.Path)
    options.add_argument("--pictures", type=int, required=True)
    options.add_argument("--mixed", action="store_true", help="every second and third picture is coded as a frame")
    args = options.parse_args()
    with open(args.output, "wb") as output:
        for number in range(args.pictures):
            rows, begins = picture(number), number % GOP == 0
            kind = 5 if begins else 1
            output.write(parameter_sets() if begins else b"")
            if args.mixed and number % 3 > 0:
                output.write(coded(rows, number, None, kind))
                continue
            output.write(coded(rows[::2], number, 0, kind))
            # The second field of an IDR picture is none (7.4.1.2.4).
            output.write(coded(rows[1::2], number, 1, 1))


if __name__ == "__main__":
    main()
