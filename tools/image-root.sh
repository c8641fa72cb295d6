#!/bin/sh
# Makes the file system of the image: programs with the libraries that they need, and nothing else of the distribution.
#
#   image-root.sh ROOT PROGRAM...        PROGRAM is a path; a path that is a symbolic link becomes the program itself
#
# Runs in a Debian of the same release (Dockerfile). BusyBox, if it is among the programs, stands in for the shell and the
# usual small tools. Scanners find the packages in var/lib/dpkg/status.d, as in Google's distroless images.
set -eu
root=$1
shift

mkdir -p "$root"/usr/bin "$root"/usr/sbin "$root"/usr/lib "$root"/usr/lib64 "$root"/etc/ssl/certs \
  "$root"/var/lib/dpkg/status.d "$root"/home/node "$root"/data "$root"/tmp
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done

# /lib/x and /usr/lib/x are one file in a merged /usr.
place() { case $1 in /usr/*) echo "$root$1" ;; *) echo "$root/usr$1" ;; esac; }
record() {
  package=$(dpkg -S "$1" 2>/dev/null || dpkg -S "${1#/usr}" 2>/dev/null || true)
  package=${package%%:*}
  [ -z "$package" ] && return
  dpkg -s "$package" >"$root/var/lib/dpkg/status.d/$package"
  licence=/usr/share/doc/$package/copyright
  if [ -e "$licence" ]; then mkdir -p "$root${licence%/*}" && cp -L "$licence" "$root$licence"; fi
}
copy() {
  to=$(place "$1")
  [ -e "$to" ] && return
  mkdir -p "${to%/*}"
  cp -L "$1" "$to"
  record "$1"
}

# First, so that the programs themselves take the place of its tools.
for program in "$@"; do
  case $program in */busybox) copy "$program" && "$program" --list | while read -r tool; do
    [ "$tool" = busybox ] || ln -s busybox "$root/usr/bin/$tool"
  done ;; esac
done
for program in "$@"; do
  rm -f "$(place "$program")"
  copy "$program"
  record "$(readlink -f "$program")"
  # "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)", or the loader's path alone; nothing for a static program.
  ldd "$program" 2>/dev/null | sed -n 's/.*=> //; s/^[[:space:]]*\(\/[^ ]*\) (0x.*/\1/p' | while read -r library; do
    copy "$library"
  done
done

echo 'root:x:0:0:root:/root:/bin/sh
node:x:1000:1000::/home/node:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false' >"$root/etc/passwd"
echo 'root:x:0:
node:x:1000:
nogroup:x:65534:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
cp /etc/os-release "$root/etc/os-release"
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"; fi
chown 1000:1000 "$root/home/node" "$root/data"
chmod 1777 "$root/tmp"
