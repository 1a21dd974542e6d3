#!/bin/sh
# Copies what the runner needs out of a Debian system into a folder: ffmpeg, ffprobe, the libraries
# that they are linked with, certificates, and a few programs to look around with.
#
#   collect.sh FOLDER
#
# Debian's ffmpeg is linked with two hundred libraries, which load from disk as they are used. Their
# packages bring another 300 MB that only a screen or a package manager would load: Mesa, LLVM, Perl,
# apt, locales, manuals. Those stay behind.
#
# Both builds of the image run this: images/runner.Dockerfile and hack/images.sh.
set -eu

image=$1
programs="ffmpeg ffprobe sh cat cp date df du env head id ls mkdir mv printenv rm sha256sum sleep sort stat tail test touch true false wc"
packages=$(mktemp)

# copy FILE: to the same place in the image, links resolved.
copy() {
	mkdir -p "$image$(dirname "$1")"
	cp --dereference --preserve=mode,timestamps "$1" "$image$1"
	dpkg-query --search "$(readlink -f "$1")" | sed 's/: .*//; s/:.*//' >>"$packages"
}

mkdir -p "$image"
for folder in bin sbin lib lib64; do
	mkdir -p "$image/usr/$folder"
	ln -s "usr/$folder" "$image/$folder"
done
mkdir -p "$image/dev" "$image/proc" "$image/sys" "$image/run" "$image/etc/ssl/certs" "$image/var/lib/dpkg/status.d" "$image/usr/local/bin"
mkdir -m 1777 "$image/tmp" "$image/var/tmp"

for program in $programs; do copy "/usr/bin/$program"; done
# Libraries by the names that programs ask for, and the loader.
for program in $programs; do ldd "/usr/bin/$program"; done |
	sed -n 's/.* => \(\/[^ ]*\) .*/\1/p; s/^[[:blank:]]*\(\/[^ ]*ld-linux[^ ]*\) .*/\1/p' | sort -u |
	while read -r library; do copy "$library"; done

cp -p /etc/ssl/certs/ca-certificates.crt "$image/etc/ssl/certs/"
cp -p /etc/nsswitch.conf /etc/debian_version "$image/etc/"
cp -p /usr/lib/os-release "$image/usr/lib/"
ln -s ../usr/lib/os-release "$image/etc/os-release"
printf 'root:x:0:0:root:/:/bin/sh\nrunner:x:65532:65532:runner:/tmp:/bin/sh\n' >"$image/etc/passwd"
printf 'root:x:0:\nrunner:x:65532:\n' >"$image/etc/group"
# The loader looks in some folders by itself; of the others this tells.
cp -rp /etc/ld.so.conf /etc/ld.so.conf.d "$image/etc/"
ldconfig -r "$image"
rm -rf "$image/var/cache"

# What is in the image, for licences and for scanners, in the place where other images of this kind
# have it.
echo ca-certificates >>"$packages"
sort -u "$packages" | while read -r package; do
	dpkg-query --status "$package" >"$image/var/lib/dpkg/status.d/$package"
	mkdir -p "$image/usr/share/doc/$package"
	cp --dereference "/usr/share/doc/$package/copyright" "$image/usr/share/doc/$package/"
done
rm "$packages"

chroot "$image" /usr/bin/ffmpeg -hide_banner -version >/dev/null
chroot "$image" /usr/bin/ffprobe -hide_banner -version >/dev/null
