#!/usr/bin/env python3
"""Puts captions into the pictures of a raw H.264 stream (Annex B, one slice a picture, no B-frames).

    captions.py IN OUT --rate 30000/1001

In field 1 (CC1) the words `AT n` are shown from each second n that three divides until the next, in field 2 (CC3)
`ZU n`; both as pop-on captions of CEA-608. Service 1 of CEA-708 says the same as CC1, unstyled. Each picture has an
SEI message with them (ATSC A/53 part 4, 6.2.3), as broadcast encoders write it.
"""

import argparse
import fractions
import pathlib
import re

SECONDS = 3
# Control codes of CEA-608, first channel: of field 1 and of field 2.
CODES = {0: 0x14, 1: 0x15}
RESUME_LOADING, ERASE_STORED, ERASE_SHOWN, SHOW = 0x20, 0x2E, 0x2C, 0x2F
ROW_15 = 0x70
PADDING = (0x80, 0x80)


def parity(byte):
    """Bit 7 makes the number of ones odd."""
    return byte if byte.bit_count() % 2 else byte | 0x80


def words(field, text):
    """Pairs of bytes that load a caption and show it; commands come twice."""
    code = CODES[field]
    command = lambda second: [(code, second)] * 2
    text += " " * (len(text) % 2)
    letters = [(ord(a), ord(b)) for a, b in zip(text[::2], text[1::2])]
    load = command(RESUME_LOADING) + command(ERASE_STORED) + command(ROW_15) + letters
    pairs = load + command(ERASE_SHOWN) + command(SHOW)
    return [(parity(a), parity(b)) for a, b in pairs]


def timed(field, label, rate, pictures):
    """A pair for each picture. The first of the two commands that show a caption is in the picture from which on it
    is to be seen."""
    pairs = [PADDING] * pictures
    for second in range(SECONDS, int(pictures / rate) + 1, SECONDS):
        said = words(field, f"{label} {second}")
        first = -(-second * rate.numerator // rate.denominator) - (len(said) - 2)
        for n, pair in enumerate(said):
            if first + n < pictures:
                pairs[first + n] = pair
    return pairs


def service_packets(rate, pictures):
    """Two constructs for each picture: a caption channel packet of service 1 where a caption begins."""
    made = [[(0xFA, 0x20, 0x20)] * 2 for _ in range(pictures)]
    for number, second in enumerate(range(SECONDS, int(pictures / rate) + 1, SECONDS)):
        at = -(-second * rate.numerator // rate.denominator)
        if at < pictures:
            # Sequence number and size code; service 1 with two characters.
            made[at] = [(0xFF, number % 4 << 6 | 2, 1 << 5 | 2), (0xFE, *str(second).rjust(2).encode())]
    return made


def sei(constructs):
    """An SEI with registered user data, with a start code and emulation prevention."""
    flat = bytes(byte for construct in constructs for byte in construct)
    message = b"\xb5\x00\x31GA94\x03" + bytes([0x40 | len(constructs), 0xFF]) + flat + b"\xff"
    payload = bytes([4, len(message)]) + message + b"\x80"
    return b"\x00\x00\x00\x01\x06" + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", payload)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("source", type=pathlib.Path)
    options.add_argument("output", type=pathlib.Path)
    options.add_argument("--rate", type=fractions.Fraction, required=True)
    args = options.parse_args()
    stream = args.source.read_bytes()
    # Coded slices of pictures: types 1 and 5.
    slices = [found.start() for found in re.finditer(rb"\x00?\x00\x00\x01[\x21\x41\x61\x01\x25\x45\x65\x05]", stream)]
    field_1, field_2 = (timed(field, label, args.rate, len(slices)) for field, label in ((0, "AT"), (1, "ZU")))
    services = service_packets(args.rate, len(slices))
    made, before = [], 0
    for at, first, second, packet in zip(slices, field_1, field_2, services):
        made += [stream[before:at], sei([(0xFC, *first), (0xFD, *second), *packet])]
        before = at
    args.output.write_bytes(b"".join(made) + stream[before:])


if __name__ == "__main__":
    main()
