"""What a contender made: bytes and frames of each rendition, and how near its pictures are to the source's."""

import math
import re
import subprocess


def quality(settings, contender):
    """By rendition: frames, bytes of the video track, SSIM of all planes against the source scaled alike."""
    similar = ssim(settings, contender)
    return {
        rung["name"]: {**packets(contender.mp4(rung["name"])), **similar[n]} for n, rung in enumerate(settings.ladder)
    }


def packets(path):
    words = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=size", "-of", "csv=p=0", path]
    sizes = [
        int(line.strip(","))
        for line in subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    ]
    return {"frames": len(sizes), "bytes": sum(sizes)}


def ssim(settings, contender):
    """One decode of the source for all renditions; `ssim` pairs frames by their times."""
    ladder = settings.ladder
    inputs = ["-i", str(settings.source)]
    graph = [f"[0:v:0]split={len(ladder)}" + "".join(f"[s{n}]" for n in range(len(ladder)))]
    for n, rung in enumerate(ladder):
        inputs += ["-i", str(contender.mp4(rung["name"]))]
        graph.append(f"[s{n}]scale={rung['width']}:{rung['height']}:flags=bicubic,format=yuv420p[r{n}]")
        graph.append(f"[{n + 1}:v:0]setsar=1[d{n}];[r{n}]setsar=1[p{n}];[d{n}][p{n}]ssim@{n}[o{n}]")
    outputs = [word for n in range(len(ladder)) for word in ("-map", f"[o{n}]")]
    command = [
        "ffmpeg",
        "-hide_banner",
        "-nostdin",
        *inputs,
        "-filter_complex",
        ";".join(graph),
        *outputs,
        "-f",
        "null",
        "-",
    ]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = {int(n): float(all_planes) for n, all_planes in re.findall(r"ssim@(\d+) @.*SSIM.*All:([\d.]+)", log)}
    return [{"ssim": found[n], "db": -10 * math.log10(max(1e-9, 1 - found[n]))} for n in range(len(ladder))]
