#!/usr/bin/python3
"""Plays with GStreamer's playbin3 and prints what came, as JSON in a line for each address.

    gstreamer.py ADDRESS…

`pictures` and `sounds` are the times at which buffers are due, in seconds of the presentation, and `findings` what
GStreamer warns of. Debian's own Python has its bindings.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

# What reads and decodes; the machinery around warns of itself.
ASKED = "1,hls*:2,dash*:2,mpd*:2,adaptivedemux*:2,qtdemux:2,*parse*:2,*dec:2"
# Nothing here takes a tenth of it.
PATIENCE = 30 * Gst.SECOND


def play(address):
    findings, times = [], {"pictures": [], "sounds": []}

    def warn(category, level, _file, _function, _line, _source, message, *_more):
        findings.append(f"{Gst.DebugLevel.get_name(level).strip()} {category.get_name()}: {message.get()}")

    Gst.debug_add_log_function(warn)
    player = Gst.ElementFactory.make("playbin3")
    player.set_property("uri", address)
    for sort, sink in (("pictures", "video-sink"), ("sounds", "audio-sink")):
        player.set_property(sink, sink_into(times[sort]))
    player.set_state(Gst.State.PLAYING)
    ends = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = player.get_bus().timed_pop_filtered(PATIENCE, ends)
    if message is None:
        findings.append("it hangs")
    elif message.type == Gst.MessageType.ERROR:
        error, _ = message.parse_error()
        findings.append(f"it fails: {error.message}")
    player.set_state(Gst.State.NULL)
    Gst.debug_remove_log_function(warn)
    return {"file": address, "findings": sorted(set(findings)), **times}


def sink_into(times):
    """A sink that takes what comes without waiting, and notes when it would be due."""
    sink = Gst.ElementFactory.make("fakesink")
    sink.set_property("sync", False)
    sink.set_property("signal-handoffs", True)

    def note(_sink, buffer, pad):
        segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()
        due = segment.to_running_time(Gst.Format.TIME, buffer.pts)
        times.append(None if due == Gst.CLOCK_TIME_NONE else due / Gst.SECOND)

    sink.connect("handoff", note)
    return sink


Gst.init(None)
Gst.debug_remove_log_function(None)
Gst.debug_set_active(True)
Gst.debug_set_threshold_from_string(ASKED, True)
for argument in sys.argv[1:]:
    print(json.dumps(play(argument)), flush=True)
