#!/usr/bin/env bash
# Makes a clip that shows at a glance whether a transcode is right:
#
#   moving picture    fine detail on the left, moving bars and a counter on the right
#   burnt-in time     hours:minutes:seconds.milliseconds, and the number of the frame
#   flash and beep    together at every whole second: shows whether sound and picture belong together
#
#   examples/make-sample.sh FILE [SECONDS]     1280x720, 30 fps, H.264 with B-frames, a keyframe every
#                                              2 s, stereo AAC; 40 seconds unless told otherwise
set -euo pipefail

file=${1:?say which file to write}
seconds=${2:-40}
if [ -s "$file" ]; then
	printf '%s is there already\n' "$file" >&2
	exit 0
fi
mkdir -p "$(dirname -- "$file")"
font=$(find /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" "$HOME/.local/share/fonts" -name DejaVuSans.ttf -print -quit 2>/dev/null || true)
[ -n "$font" ] || { echo "the font DejaVuSans.ttf is missing: install fonts-dejavu-core" >&2; exit 1; }

box="fontfile=$font:fontcolor=white:box=1:boxcolor=black@0.7:boxborderw=14"
# lt(mod(t,1),0.1): three frames of white and a tenth of a second of 1 kHz.
picture="
	mandelbrot=size=320x360:rate=30:start_scale=2.2:end_scale=0.02:end_pts=$((seconds * 30)):maxiter=250,scale=640:720,boxblur=2[left];
	testsrc2=size=640x720:rate=30[right];
	[left][right]hstack,format=yuv420p,
	drawbox=enable='lt(mod(t,1),0.1)':x=540:y=40:w=200:h=120:color=white:t=fill,
	drawtext=$box:fontsize=56:x=(w-tw)/2:y=h-150:text='%{pts\:hms}',
	drawtext=$box:fontsize=32:x=(w-tw)/2:y=h-70:text='frame %{n}'[v]"
sound="aevalsrc='if(lt(mod(t,1),0.1),0.4*sin(2*PI*1000*t),0.02*sin(2*PI*(220+40*sin(PI*t/8))*t))|if(lt(mod(t,1),0.1),0.4*sin(2*PI*1000*t),0.02*sin(2*PI*(330+40*sin(PI*t/8))*t))':sample_rate=48000"

partial=$file.partial.mp4
trap 'rm -f "$partial"' EXIT
stats=-nostats
[ ! -t 2 ] || stats=-stats
ffmpeg -hide_banner -loglevel error "$stats" -nostdin -y \
	-filter_complex "$picture" -f lavfi -i "$sound" -map '[v]' -map 0:a -t "$seconds" \
	-c:v libx264 -preset superfast -crf 23 -g 60 -color_primaries bt709 -color_trc bt709 -colorspace bt709 \
	-c:a aac -b:a 160k -metadata:s:a:0 language=eng -movflags +faststart "$partial"
mv -- "$partial" "$file"
