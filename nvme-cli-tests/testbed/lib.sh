# Sourced by the test bed's scripts of the outer machine.

CAPSULED_TESTBED_CACHE=${CAPSULED_TESTBED_CACHE:-${HOME:-/root}/.cache/capsuled-testbed}
series=6.12

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 125; }

# fetch_debs DIR PACKAGE...  downloads .deb files, none of them installed
fetch_debs() {
  local dir=$1; shift
  mkdir -p "$dir"
  (cd "$dir" && apt-get -qq -o APT::Sandbox::User=root download "$@") 2>/dev/null && return
  apt-get -qq update || return
  (cd "$dir" && apt-get -qq -o APT::Sandbox::User=root download "$@")
}

# kernel_package  names the real image package behind Debian's metapackage
kernel_package() {
  local name
  name=$(kernel_dependency)
  # The lists may be there for a part of the archive only, or not at all.
  [[ $name ]] || { apt-get -qq update && name=$(kernel_dependency); }
  echo "$name"
}

kernel_dependency() {
  apt-cache depends "linux-image-$series-amd64" 2>/dev/null |
    awk '/Depends: linux-image-/ { print $2; exit }'
}

# unpacked PROGRAM  finds a program among the unpacked packages
unpacked() {
  local d
  for d in bin usr/bin sbin usr/sbin; do
    [[ -x $CAPSULED_TESTBED_CACHE/sysroot/$d/$1 ]] && { echo "$CAPSULED_TESTBED_CACHE/sysroot/$d/$1"; return; }
  done
  return 1
}

# run_depmod ROOT VERSION  with this machine's depmod or Debian's
run_depmod() {
  local r=$CAPSULED_TESTBED_CACHE/sysroot
  if command -v depmod > /dev/null; then depmod -b "$1" "$2"; return; fi
  LD_LIBRARY_PATH=$r/usr/lib/x86_64-linux-gnu:$r/lib/x86_64-linux-gnu \
    bash -c 'exec -a depmod "$@"' bash "$(unpacked kmod)" -b "$1" "$2"
}

# archive BUSYBOX DIR  writes a directory as an initramfs
archive() {
  (cd "$2" && find . | sort | "$1" cpio -o -H newc -R 0:0 2>/dev/null)
}

# make_payload DIR SCRIPT [ARGUMENT]...  fills DIR with what goes to the guest
# besides the image, from the options in env, files, shares, hostroot, inhost
make_payload() {
  local p=$1 e f from name s path tag mode; shift
  mkdir -p "$p"
  if [[ $# -gt 0 ]]; then cp "$1" "$p/script"; shift; else : > "$p/script"; fi
  : > "$p/args"
  [[ $# -gt 0 ]] && printf '%s\0' "$@" > "$p/args"
  : > "$p/env"
  for e in "${env[@]}"; do printf 'export %s=%q\n' "${e%%=*}" "${e#*=}" >> "$p/env"; done
  for f in "${files[@]}"; do
    name=${f##*/}; from=$f
    [[ $f == *:* ]] && { from=${f%:*}; name=${f##*:}; }
    cp -L "$from" "$p/$name" || die "no file $from"
  done
  : > "$p/shares"
  for s in "${shares[@]}"; do
    IFS=: read -r path tag mode <<< "$s"
    [[ -d $path && $tag ]] || die "--share DIR:TAG[:ro]: $s"
    echo "$tag ${mode:-rw} $(realpath "$path")" >> "$p/shares"
  done
  [[ $hostroot ]] && : > "$p/hostroot"
  [[ $inhost ]] && : > "$p/in-host"
  return 0
}
