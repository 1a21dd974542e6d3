#!/usr/bin/env python3
"""Serves a folder of outputs on this machine, with a player for a browser.

    python3 hack/serve.py [--port 8000] [FOLDER]

Python's own http.server knows neither byte ranges, which MP4s and I-frame playlists need, nor the
types of playlists and segments. This one does. It is for looking, not for serving the public.
"""

import argparse
import functools
import html
import http.server
import os
import pathlib
import re
import urllib.parse

PLAYER = pathlib.Path(__file__).with_name("player.html")
TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".m4s": "video/mp4",
    ".mp4": "video/mp4",
    ".webp": "image/webp",
}


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, **TYPES}

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/":
            return self.page(self.index())
        if path == "/player.html":
            return self.page(PLAYER.read_bytes())
        span = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        file = self.translate_path(self.path)
        if span and span.group() != "bytes=-" and os.path.isfile(file):
            return self.part(file, *span.groups())
        return super().do_GET()

    def part(self, file, first, last):
        size = os.path.getsize(file)
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last), size - 1) if first and last else size - 1
        if start > end:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206)
        self.send_header("Content-Type", self.guess_type(file))
        self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self.send_header("Content-Length", str(end - start + 1))
        self.end_headers()
        with open(file, "rb") as source:
            source.seek(start)
            left = end - start + 1
            while left and (piece := source.read(min(left, 1 << 20))):
                self.wfile.write(piece)
                left -= len(piece)

    def index(self):
        """A link for each job below the folder, or for the folder itself."""
        root = pathlib.Path(self.directory)
        rows = []
        for record in sorted(root.glob("**/job.json")):
            folder = urllib.parse.quote(record.parent.relative_to(root).as_posix())
            base = "/" if folder == "." else f"/{folder}/"
            name = html.escape(record.parent.resolve().name)
            links = []
            if (record.parent / "master.m3u8").exists():
                links.append(f'<a href="/player.html?{urllib.parse.quote(base)}master.m3u8">play</a>')
            for file in sorted(record.parent.glob("*.mp4")):
                links.append(f'<a href="{base}{urllib.parse.quote(file.name)}">{html.escape(file.name)}</a>')
            rows.append(f'<li><b>{name}</b> {" ".join(links)} <a href="{base}">files</a></li>')
        body = "\n".join(rows) or "<li>nothing is published here yet</li>"
        style = "body{font:16px system-ui;margin:2em}li{margin:.6em 0}a{margin-right:.6em}"
        return f"<!doctype html><meta charset=utf-8><title>Jobs</title><style>{style}</style><ul>{body}</ul>".encode()

    def page(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self):
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *args):
        pass

    def handle(self):
        try:
            super().handle()
        except (ConnectionResetError, BrokenPipeError):
            pass  # A player that seeks drops what it was loading.


def main():
    options = argparse.ArgumentParser(description="Serves a folder of outputs with a player.")
    options.add_argument("folder", nargs="?", default="out")
    options.add_argument("--port", type=int, default=8000)
    options.add_argument("--bind", default="127.0.0.1", help="address; 0.0.0.0 lets other machines in")
    args = options.parse_args()
    if not os.path.isdir(args.folder):
        options.error(f"there is no folder {args.folder}: run `make quickstart` first")
    handler = functools.partial(Handler, directory=args.folder)
    try:
        server = http.server.ThreadingHTTPServer((args.bind, args.port), handler)
    except OSError as error:
        options.error(f"port {args.port} can't be used: {error.strerror}; take another with --port (make play PORT=…)")
    print(f"http://{args.bind}:{args.port}/ shows {args.folder}; Ctrl-C ends", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
