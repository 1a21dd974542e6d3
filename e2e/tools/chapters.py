#!/usr/bin/env python3
"""Copies a file and gives it two chapters, by ffmpeg.

    chapters.py IN OUT
"""

import argparse
import pathlib
import subprocess
import tempfile

CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=4000
title=One
[CHAPTER]
TIMEBASE=1/1000
START=4000
END=9000
title=Two
"""


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("source", type=pathlib.Path)
    options.add_argument("out", type=pathlib.Path)
    args = options.parse_args()
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as chapters:
        chapters.write(CHAPTERS)
        chapters.flush()
        words = ["-i", args.source, "-i", chapters.name, "-map", "0", "-map_chapters", "1", "-c", "copy", args.out]
        subprocess.run(["ffmpeg", "-hide_banner", "-nostdin", "-y", "-v", "error", *words], check=True)


if __name__ == "__main__":
    main()
