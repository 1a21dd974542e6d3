#!/usr/bin/env bash
# What one would write by hand: an ffmpeg for each chunk and rendition, some at a time, then a concat.
# It checks nothing, and resumes nothing.
#
#   chunked.sh SOURCE OUTPUT SEGMENT_SECONDS CRF PRESET FRAMES_PER_SEGMENT PACKAGE < rows
#
# A row is `rendition width height chunk start duration`. PACKAGE is what the tee muxer writes.
set -euo pipefail
export SOURCE=$1 OUTPUT=$2 SEGMENT=$3 CRF=$4 PRESET=$5 FRAMES=$6
package=$7 parts=$OUTPUT/parts workers=${WORKERS:-2}
export quiet="-hide_banner -loglevel error -nostdin -y"
mkdir -p "$parts"
rows=$(cat)

encode() {
	# shellcheck disable=SC2086
	ffmpeg $quiet -threads 1 -ss "$5" -t "$6" -i "$SOURCE" -an -filter_complex_threads 1 \
		-vf "scale=$2:$3:flags=bicubic,format=yuv420p" -fps_mode passthrough \
		-c:v libx264 -preset "$PRESET" -crf "$CRF" -threads 1 -g "$FRAMES" -forced-idr 1 \
		-force_key_frames "expr:gte(t,n_forced*$SEGMENT)" -video_track_timescale 90000 "$OUTPUT/parts/$1-$4.mp4"
}
export -f encode

{
	printf 'audio\n'
	printf '%s\n' "$rows"
} | xargs -P "$workers" -L 1 bash -euc '
	case $1 in
	audio) ffmpeg $quiet -i "$SOURCE" -vn -c:a aac -b:a 128k -threads 1 "$OUTPUT/parts/audio.m4a" ;;
	*) encode "$@" ;;
	esac
' row

inputs=() maps=() n=0
for rendition in $(cut -d' ' -f1 <<<"$rows" | awk '!seen[$0]++'); do
	list=$parts/$rendition.txt
	awk -v name="$rendition" '$1 == name { printf "file %s-%s.mp4\n", name, $4 }' <<<"$rows" >"$list"
	inputs+=(-f concat -safe 0 -i "$list") maps+=(-map "$n:v")
	n=$((n + 1))
done
# shellcheck disable=SC2086
ffmpeg $quiet "${inputs[@]}" -i "$parts/audio.m4a" "${maps[@]}" -map "$n:a" -c copy -f tee "$package"
rm -r "$parts"
