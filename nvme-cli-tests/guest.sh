# Sourced by every behaviour in the guest: . /run/testbed/guest.sh
#
# From the runner: KIND (capsuled or nvmet), PORT, DISCOVERY_PORT, ADMIN_PORT,
# TRADDR (what the target advertises), LISTENERS ("nqn=port ..."), OUTER_PORT.
. /usr/share/testbed/testbed.sh
outer_address=10.0.2.2
address=$outer_address
nqn=nqn.2026-11.test.capsuled:one
set -o pipefail

dmesg_at_start=$(dmesg | wc -l)
at_exit() {
  local status=$?
  [ $status = 0 ] || { echo "--- dmesg"; dmesg | tail -n +$((dmesg_at_start + 1)) | tail -n 40; }
  exit $status
}
trap at_exit EXIT

step() { echo "== $(cut -d" " -f1 /proc/uptime) $*"; }

# fail WHAT...  ends the behaviour, from inside a $(command) too
fail() {
  echo "FAIL: $*" >&3
  [ $BASHPID = $$ ] || kill -USR1 $$
  exit 1
}
exec 3>&1
trap 'exit 1' USR1
# An invalid arithmetic expression ends the script instead of skipping a line.
set -o posix

# expect WHAT GOT WANTED
expect() { [ "$2" = "$3" ] || fail "$1 is '$2', expected '$3'"; }

# expect_at_least WHAT GOT LEAST
expect_at_least() { [ "$2" -ge "$3" ] 2>/dev/null || fail "$1 is '$2', expected $3 or more"; }

# wait_until SECONDS WHAT COMMAND...
wait_until() {
  local end=$(($(date +%s) + $1)) what=$2; shift 2
  until "$@"; do
    [ "$(date +%s)" -le "$end" ] || fail "$what: not in time"
    sleep 0.1
  done
}

# into OUTPUT COMMAND...  runs a command that must succeed; its words in OUTPUT
into() {
  local out=$1; shift
  "$@" > "$out" 2>&1 || fail "$*: $(tail -n 20 "$out")"
}

# refused OUTPUT COMMAND...  runs a command that must fail; its words in OUTPUT
refused() {
  local out=$1; shift
  "$@" > "$out" 2>&1 && fail "succeeded: $*"
  return 0
}

# port_of NQN
port_of() {
  local l
  for l in $LISTENERS; do [ "${l%=*}" = "$1" ] && echo "${l##*=}"; done
}

# connect [OPTION]...  sets controller (nvme0) and device (/dev/nvme0n1)
connect() {
  into /tmp/connect nvme connect -t tcp -a $address -s "$PORT" -n "$nqn" "$@"
  device=$(nvme_wait "$nqn") || fail "no device appeared"
  controller=$(controller_of "$nqn")
  [ "$controller" ] || fail "no controller appeared"
}

# controller_of NQN
controller_of() {
  local c
  for c in /sys/class/nvme/nvme*; do
    [ -e "$c/subsysnqn" ] && [ "$(cat "$c/subsysnqn")" = "$1" ] && echo "${c##*/}"
  done
}

state() { cat "/sys/class/nvme/$controller/state" 2>/dev/null; }
is_live() { [ "$(state)" = live ]; }
no_controllers() { [ -z "$(ls /sys/class/nvme 2>/dev/null)" ]; }

disconnect() {
  nvme disconnect -n "$nqn" > /tmp/disconnect || fail "nvme disconnect"
  wait_until 10 "no controller left" no_controllers
}

# field NAME FILE  the value of a line "name : value" of nvme-cli
field() {
  awk -F: -v n="$1" '
    { k = $1; gsub(/^[ \t]+|[ \t]+$/, "", k) }
    k == n { sub(/^[^:]*:[ \t]*/, ""); sub(/[ \t]+$/, ""); print; exit }' "$2"
}

uuid_of() { cat "/sys/block/${1##*/}/uuid" 2>/dev/null; }

# device_of NSID  the disk of the namespace, when it is there
device_of() {
  local d
  for d in /sys/class/nvme-subsystem/*/nvme*n*; do
    [ "$(cat "$d/nsid" 2>/dev/null)" = "$1" ] && [ -b "/dev/${d##*/}" ] && echo "/dev/${d##*/}" && return
  done
  return 1
}

# another_disk UUID  sets device to a disk that has another UUID, if one is there
another_disk() {
  local d
  for d in /sys/class/nvme-subsystem/*/nvme*n*; do
    d=/dev/${d##*/}
    [ -b "$d" ] && [ "$(uuid_of "$d")" != "$1" ] && device=$d && return
  done
  return 1
}

# files_begin  makes a file system on $device, and writes and reads files of it until it fails
files_begin() {
  into /tmp/mkfs mkfs.ext4 -q "$device"
  mkdir -p /mnt/disk
  mount "$device" /mnt/disk || fail "mount"
  dd if=/dev/urandom of=/tmp/random bs=64k count=64 status=none
  cp /tmp/random /mnt/disk/file && sync || fail "write"
  : > /tmp/written; : > /tmp/was_read
  while dd if=/tmp/random of=/mnt/disk/more bs=64k count=4 conv=fsync status=none 2> /tmp/writer; do
    echo >> /tmp/written
    sleep 0.05
  done &
  writer=$!
  # Of the disk itself, not of what Linux keeps in memory.
  while dd if=/mnt/disk/file of=/tmp/read bs=64k iflag=direct status=none 2> /tmp/reader; do
    cmp /tmp/random /tmp/read > /tmp/differs || exit 1
    echo >> /tmp/was_read
    sleep 0.05
  done &
  reader=$!
}

# files_go_on  shows that files are still read and written
files_go_on() {
  local written was_read
  written=$(wc -l < /tmp/written) was_read=$(wc -l < /tmp/was_read)
  more_of() { [ "$(wc -l < "$1")" -gt "$2" ]; }
  wait_until 30 "files are written" more_of /tmp/written $((written + 2))
  wait_until 30 "files are read" more_of /tmp/was_read $((was_read + 2))
}

# files_end  waits until both have met an error; nothing may have been read as something else
files_end() {
  ended() { ! kill -0 $1 2>/dev/null; }
  wait_until 30 "the writer meets an error" ended $writer
  wait_until 30 "the reader meets an error" ended $reader
  wait $reader || fail "the file reads as something else: $(cat /tmp/differs)"
  echo 3 > /proc/sys/vm/drop_caches
  if cat /mnt/disk/file > /tmp/read 2>/dev/null; then
    cmp /tmp/random /tmp/read || fail "the file reads as something else"
  fi
  umount /mnt/disk
}

# completed DEVICE  reads and writes completed so far
completed() { awk '{ print $1 + $5 }' "/sys/block/${1##*/}/stat"; }
completed_over() { [ "$(completed "$1")" -gt "$2" ]; }

# fio_verify [OPTION]...  random reads and writes on $device, then reads every
# checksum back
fio_verify() {
  into /tmp/fio.out fio --name=verify --filename="$device" --rw=randrw --ioengine=libaio \
    --direct=1 --verify=crc32c --verify_fatal=1 --do_verify=1 --minimal "$@"
}

# load_begins FILE OPTION...  random reads and writes with checksums until load_ends; fio's words
# are in FILE, its process is $load
load_begins() {
  fio --name=load --rw=randrw --ioengine=libaio --direct=1 --time_based --runtime=300 \
    --verify=crc32c --verify_fatal=1 --verify_backlog=64 --minimal "${@:2}" > "$1" 2>&1 &
  load=$!
}

# load_goes_on FILE PROCESS
load_goes_on() { kill -0 "$2" 2>/dev/null || fail "I/O ended: $(tail -n 5 "$1")"; }

# load_is_over PROCESS
load_is_over() { ! kill -0 "$1" 2>/dev/null; }

# load_ends FILE PROCESS  ends it; it may have met no error
load_ends() {
  load_goes_on "$1" "$2"
  kill -INT "$2"
  wait "$2"
  expect "I/O error" "$(awk -F';' 'NF > 50 { print $5 }' "$1")" 0
}

# http_get PORT PATH  prints the body (busybox's wget dies under User-Mode Linux)
http_get() {
  local status
  command exec 7<> "/dev/tcp/$address/$1" || return
  printf 'GET %s HTTP/1.0\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n' \
    "$2" "$address" "${TOKEN-}" >&7
  read -r -t 60 _ status _ <&7 || status=none
  sed '1,/^\r*$/d' <&7
  exec 7>&-
  [ "$status" = 200 ]
}

# metric NAME  the sum of a metric's samples
metric() {
  http_get "$ADMIN_PORT" /metrics > /tmp/metrics || fail "GET /metrics"
  awk -v n="$1" '
    { k = $1; sub(/\{.*/, "", k) }
    k == n || ($2 == "TYPE" && $3 == n) { seen = 1 }
    k == n { s += $NF }
    END { if (!seen) exit 1; print s + 0 }' /tmp/metrics || fail "no metric $1"
}

# outer NAME [ARGUMENT]...  has the runner do something; prints its answer
outer() {
  local path=/$1 a address=$outer_address; shift
  for a; do path=$path/$a; done
  http_get "$OUTER_PORT" "$path" > /tmp/outer || fail "outer $path: no answer"
  [ "$(head -n 1 /tmp/outer)" = ok ] || fail "outer $path: $(tail -n +2 /tmp/outer)"
  tail -n +2 /tmp/outer
}

# daemon_start  the daemon in this guest (# target: guest), until it is ready
daemon_start() {
  address=127.0.0.1
  in-host -C /tmp "$NODE" "$MAIN" serve --config /run/testbed/config.yaml > /tmp/daemon.log 2>&1 &
  daemon=$!
  daemon_ready() {
    kill -0 $daemon 2> /dev/null || fail "the daemon ended: $(tail -n 20 /tmp/daemon.log)"
    grep -qs '"msg":"ready"' /tmp/daemon.log
  }
  # By the clock of the guest, which may be several times too fast when this machine is busy.
  wait_until 900 "the daemon is ready" daemon_ready
}

# daemon_stop  ends it, which must leave nothing behind
daemon_stop() {
  local status=0
  kill -TERM $daemon
  wait $daemon || status=$?
  expect "the daemon's status" $status 0
}

# The network to the target is cut: whatever is sent or received is dropped.
cut_network() { ip route add blackhole $address/32 || fail "ip route"; }
mend_network() { ip route del blackhole $address/32 || fail "ip route"; }

modprobe nvme-tcp || fail "modprobe nvme-tcp"
