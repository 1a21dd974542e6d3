#!/usr/bin/env python3
"""Edits a transport stream of ffmpeg's as broadcasts and recorders leave them, which none of its options does.

    transport.py IN OUT --pids 4..8 --swap 4..8 --cut 5..9 --shift all:5..:900 --flag

Edits begin and end where a key picture does. A PES packet of ffmpeg's is written in one piece, so none is open there.
Numbers of sections are those of ISO/IEC 13818-1.
"""

import argparse
import pathlib

PACKET = 188
WRAP = 1 << 33


def crc(data):
    """Annex A."""
    value = 0xFFFFFFFF
    for byte in data:
        for bit in range(7, -1, -1):
            top = value >> 31 ^ byte >> bit & 1
            value = (value << 1) & 0xFFFFFFFF ^ (0x04C11DB7 if top else 0)
    return value.to_bytes(4, "big")


class Packet:
    """2.4.3.2"""

    def __init__(self, data):
        self.data = bytearray(data)
        self.pid = (self.data[1] & 0x1F) << 8 | self.data[2]
        self.starts = bool(self.data[1] & 0x40)
        adaptation = self.data[4] + 1 if self.data[3] & 0x20 else 0
        self.payload = 4 + adaptation
        self.flags = self.data[5] if adaptation > 1 else 0

    def stamps(self):
        """Places of the PTS and DTS of a PES header (2.4.3.6)."""
        at = self.payload
        if not self.starts or self.data[at : at + 3] != b"\x00\x00\x01":
            return []
        count = {2: 1, 3: 2}.get(self.data[at + 7] >> 6, 0)
        return [at + 9 + 5 * n for n in range(count)]

    def time(self):
        """PTS, ticks."""
        at = self.stamps()
        if not at:
            return None
        b = self.data[at[0] : at[0] + 5]
        return (b[0] >> 1 & 7) << 30 | b[1] << 22 | b[2] >> 1 << 15 | b[3] << 7 | b[4] >> 1

    def is_key(self):
        """random_access_indicator"""
        return self.starts and bool(self.flags & 0x40) and self.data[self.payload + 3] >> 4 == 0xE

    def send(self, pid):
        self.data[1] = self.data[1] & 0xE0 | pid >> 8
        self.data[2] = pid & 0xFF

    def shift(self, ticks):
        for at in self.stamps():
            b = self.data[at : at + 5]
            old = (b[0] >> 1 & 7) << 30 | b[1] << 22 | b[2] >> 1 << 15 | b[3] << 7 | b[4] >> 1
            new = (old + ticks) % WRAP
            self.data[at] = b[0] & 0xF1 | new >> 30 << 1
            self.data[at + 1] = new >> 22 & 0xFF
            self.data[at + 2] = new >> 14 & 0xFE | 1
            self.data[at + 3] = new >> 7 & 0xFF
            self.data[at + 4] = new << 1 & 0xFE | 1
        if self.flags & 0x10:
            base = int.from_bytes(self.data[6:11], "big")
            moved = (((base >> 7) + ticks) % WRAP) << 7 | base & 0x7F
            self.data[6:11] = moved.to_bytes(5, "big")

    def flag(self):
        """discontinuity_indicator"""
        if self.payload > 5:
            self.data[5] |= 0x80


def table(packet, pids, version):
    """A program map (2.4.4.8) with other PIDs, of another version."""
    at = packet.payload + 1 + packet.data[packet.payload]
    length = (packet.data[at + 1] & 0x0F) << 8 | packet.data[at + 2]
    section = packet.data[at : at + 3 + length - 4]
    section[5] = section[5] & 0xC1 | version << 1
    places, entry = [8], 12 + ((section[10] & 0x0F) << 8 | section[11])
    while entry < len(section):
        places.append(entry + 1)
        entry += 5 + ((section[entry + 3] & 0x0F) << 8 | section[entry + 4])
    for place in places:
        pid = (section[place] & 0x1F) << 8 | section[place + 1]
        pid = pids.get(pid, pid)
        section[place], section[place + 1] = section[place] & 0xE0 | pid >> 8, pid & 0xFF
    packet.data[at : at + 3 + length] = section + crc(section)


def span(text):
    """`4..8`, or `4..` to the end."""
    start, end = text.split("..")
    return float(start), float(end or "inf")


def shift(text):
    """`all:4..8:900`"""
    kind, seconds, by = text.split(":")
    return kind, span(seconds), round(float(by) * 90_000)


class Stream:
    """A stream with one program, as ffmpeg writes it."""

    def __init__(self, data):
        self.packets = [Packet(data[at : at + PACKET]) for at in range(0, len(data), PACKET)]
        program = next(p for p in self.packets if p.pid == 0)
        self.maps = (program.data[program.payload + 11] & 0x1F) << 8 | program.data[program.payload + 12]
        first = next(p for p in self.packets if p.is_key())
        self.pictures = first.pid
        self.others = sorted({p.pid for p in self.packets if p.stamps()} - {self.pictures})
        self.start = first.time()

    def kinds(self, packet):
        kind = {self.pictures: "picture", self.maps: "table", 0: "table"}.get(packet.pid, "sound")
        return "all", kind

    def timed(self):
        """Packets, each with the time of the last key picture before it."""
        at = 0.0
        for packet in self.packets:
            if packet.is_key():
                at = (packet.time() - self.start) % WRAP / 90_000
            yield at, packet

    def mapped(self, args):
        """With other PIDs, each change behind a program map that says so."""
        latest = next(p for p in self.packets if p.pid == self.maps)
        now, version = {}, 0
        for at, packet in self.timed():
            pids = {}
            if args.pids and args.pids[0] <= at < args.pids[1]:
                pids = {pid: pid + 0x100 for pid in [self.pictures, *self.others]}
            if args.swap and args.swap[0] <= at < args.swap[1]:
                pids = {self.pictures: self.others[0], self.others[0]: self.pictures}
            changed, now = pids != now, pids
            version += changed
            for out in [Packet(latest.data), packet] if changed else [packet]:
                if out.pid == self.maps:
                    table(out, now, version)
                yield at, self.kinds(out), now.get(out.pid, out.pid), out


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("input", type=pathlib.Path)
    options.add_argument("output", type=pathlib.Path)
    options.add_argument("--pids", type=span, help="seconds in which streams have other PIDs, by a new program map")
    options.add_argument("--swap", type=span, help="seconds in which two streams have each other's PID")
    options.add_argument("--cut", type=span, action="append", default=[], help="seconds of picture to leave out")
    options.add_argument("--shift", type=shift, action="append", default=[], help="all, picture or sound: when: by what")
    options.add_argument("--flag", action="store_true", help="shifted clocks are flagged as discontinuous")
    args = options.parse_args()
    stream = Stream(args.input.read_bytes())
    counters, shifted, output = {}, {}, bytearray()
    for at, kinds, pid, packet in stream.mapped(args):
        if "picture" in kinds and any(start <= at < end for start, end in args.cut):
            continue
        by = sum(ticks for kind, (start, end), ticks in args.shift if kind in kinds and start <= at < end)
        packet.shift(by)
        if args.flag and by != shifted.get(pid, 0) and packet.payload > 5:
            packet.flag()
            shifted[pid] = by
        packet.send(pid)
        counters[pid] = counters.get(pid, -1) + (packet.data[3] >> 4 & 1)
        packet.data[3] = packet.data[3] & 0xF0 | counters[pid] & 0xF
        output += packet.data
    args.output.write_bytes(output)


if __name__ == "__main__":
    main()
