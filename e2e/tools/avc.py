#!/usr/bin/env python3
"""Makes of an MP4 or Matroska file with H.264 one that cameras and editors write and no encoder of ffmpeg does.

    avc.py IN OUT --bare             its SPS has no VUI, so nothing says how far pictures are reordered
    avc.py IN OUT --messages N       in an MP4 with video alone, every Nth picture that no other refers to becomes a
                                     message (SEI): a sample without a picture

Nothing in the file moves. Numbers of sections are those of ITU-T H.264.
"""

import argparse
import pathlib
import re
import struct

HIGH = (100, 110, 122, 244)
SEI, SLICE = 6, 1


class Bits:
    """Bits of a raw byte sequence payload."""

    def __init__(self, payload):
        self.text, self.at = "".join(f"{byte:08b}" for byte in payload), 0

    def u(self, length):
        self.at += length
        return int(self.text[self.at - length : self.at], 2)

    def ue(self):
        zeros = self.text.index("1", self.at) - self.at
        self.at += zeros
        return self.u(zeros + 1) - 1


def without_vui(sps):
    """7.3.2.1.1, up to vui_parameters_present_flag, and with that at 0."""
    bits = Bits(sps[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
    profile = bits.u(8)
    bits.u(16)
    bits.ue()
    if profile in HIGH:
        assert bits.ue() == 1, "4:2:0 is expected"
        bits.ue(), bits.ue(), bits.u(1)
        assert not bits.u(1), "scaling matrices are not expected"
    bits.ue()
    order = bits.ue()
    assert order != 1, "picture order count of type 1 is not expected"
    if order == 0:
        bits.ue()
    bits.ue(), bits.u(1), bits.ue(), bits.ue()
    if not bits.u(1):
        bits.u(1)
    bits.u(1)
    if bits.u(1):
        bits.ue(), bits.ue(), bits.ue(), bits.ue()
    text = bits.text[: bits.at] + "01"
    text += "0" * (-len(text) % 8)
    payload = int(text, 2).to_bytes(len(text) // 8, "big")
    return sps[:1] + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", payload)


def bare(data):
    """Of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1): what follows the SPS moves up, and zeros follow."""
    record = re.search(rb"\x01[\x42\x4d\x64]..\xff\xe1(..)\x67", data, re.DOTALL)
    begin, length = record.start(1), struct.unpack(">H", record[1])[0]
    rest = begin + 2 + length
    end = rest + 3 + struct.unpack(">H", data[rest + 1 : rest + 3])[0]
    end += 4 if data[begin + 3] in HIGH else 0
    sps = without_vui(data[begin + 2 : rest])
    new = struct.pack(">H", len(sps)) + sps + data[rest:end]
    return data[:begin] + new.ljust(end - begin, b"\x00") + data[end:]


def message(length):
    """A NAL unit of a user's own data (D.1.7): any 16 bytes of a UUID, and more."""
    for size in range(length - 3, 0, -1):
        head = bytes([SEI, 5]) + b"\xff" * (size // 255) + bytes([size % 255])
        if len(head) + size + 1 <= length:
            return (head + b"\xaa" * size + b"\x80").ljust(length, b"\x00")
    raise ValueError(f"a picture of {length} bytes has no room for a message")


def messages(data, every):
    data = bytearray(data)
    at = data.index(b"mdat") + 4
    end = at - 8 + struct.unpack(">I", data[at - 8 : at - 4])[0]
    met = 0
    while at < end:
        length, header = struct.unpack(">IB", data[at : at + 5])
        # nal_ref_idc is 0 in a picture that no other refers to.
        if header == SLICE:
            met += 1
            if met % every == 0:
                data[at + 4 : at + 4 + length] = message(length)
        at += 4 + length
    return data


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("input", type=pathlib.Path)
    options.add_argument("output", type=pathlib.Path)
    what = options.add_mutually_exclusive_group(required=True)
    what.add_argument("--bare", action="store_true", help="take the VUI out of the SPS")
    what.add_argument("--messages", type=int, metavar="N", help="make a message of every Nth picture without references")
    args = options.parse_args()
    data = args.input.read_bytes()
    args.output.write_bytes(bare(data) if args.bare else messages(data, args.messages))


if __name__ == "__main__":
    main()
