#!/usr/bin/env python3
"""Rewrites a Matroska or WebM file so that its video track is declared as other programs than ffmpeg declare it.

    matroska.py IN OUT [--no-default-duration] [--crop TOP BOTTOM LEFT RIGHT]

Without DefaultDuration nothing says a frame rate, as in what browsers record (MediaRecorder). PixelCrop* cuts edges off
the picture. The file has no index (Cues) afterwards, as those recordings. Element numbers are those of RFC 9559.
"""

import argparse
import pathlib

SEGMENT, TRACKS, TRACK_ENTRY, VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
SEEK_HEAD, CUES, VOID, CRC = 0x114D9B74, 0x1C53BB6B, 0xEC, 0xBF
DEFAULT_DURATION, PIXEL_CROP = 0x23E383, (0x54BB, 0x54AA, 0x54CC, 0x54DD)
PIXELS, DISPLAY = (0xB0, 0xBA), (0x54B0, 0x54BA, 0x54B2)


def number(data, at, keep_marker):
    """An identifier or a size (RFC 8794 4 and 5), and where it ends; sizes of ones alone are unknown."""
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    if not keep_marker:
        value ^= 1 << 7 * length
        value = None if value == (1 << 7 * length) - 1 else value
    return value, at + length


def children(data):
    at = 0
    while at < len(data):
        kind, after = number(data, at, True)
        size, body = number(data, after, False)
        end = len(data) if size is None else body + size
        yield kind, data[body:end], data[at:end]
        at = end


def element(kind, body):
    length = (len(body) | 1 << 56).to_bytes(8, "big")
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + length + body


def changed(kind, body, args):
    """The children of an element on the way to the video's declaration, with what is asked for."""
    out = b""
    for child, inner, whole in children(body):
        if child in (SEEK_HEAD, CUES, VOID, CRC) or child == DEFAULT_DURATION and args.no_default_duration:
            continue
        if child in DISPLAY and args.crop:
            continue
        out += element(child, changed(child, inner, args)) if child in (TRACKS, TRACK_ENTRY, VIDEO) else whole
    if kind == VIDEO and args.crop:
        out += b"".join(element(child, cut.to_bytes(2, "big")) for child, cut in zip(PIXEL_CROP, args.crop))
        sizes = {child: int.from_bytes(inner, "big") for child, inner, _ in children(body)}
        top, bottom, left, right = args.crop
        # Square pixels, of what is left.
        shown = (sizes[PIXELS[0]] - left - right, sizes[PIXELS[1]] - top - bottom)
        out += b"".join(element(child, side.to_bytes(2, "big")) for child, side in zip(DISPLAY, shown))
    return out


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("input", type=pathlib.Path)
    options.add_argument("output", type=pathlib.Path)
    options.add_argument("--no-default-duration", action="store_true", help="of no track")
    options.add_argument("--crop", type=int, nargs=4, metavar=("TOP", "BOTTOM", "LEFT", "RIGHT"), help="pixels")
    args = options.parse_args()
    out = b""
    for kind, body, whole in children(args.input.read_bytes()):
        out += element(kind, changed(kind, body, args)) if kind == SEGMENT else whole
    args.output.write_bytes(out)


if __name__ == "__main__":
    main()
