// What Eyevinn's readers of MP4, HLS and DASH think of a file.
// Built by e2e/tools/install.sh mediacheck.
module github.com/transcode-operator/e2e/tools/mediacheck

go 1.26.0

require (
	github.com/Eyevinn/dash-mpd v0.13.0
	github.com/Eyevinn/hls-m3u8 v0.6.0
	github.com/Eyevinn/mp4ff v0.50.0
)

require github.com/barkimedes/go-deepcopy v0.0.0-20220514131651-17c30cfc62df // indirect
