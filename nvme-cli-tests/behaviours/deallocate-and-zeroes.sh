# Discarded and zeroed blocks read as zeros, and their neighbours keep what they hold.
. /run/testbed/guest.sh
connect
queue=/sys/block/${device##*/}/queue
expect_at_least "discard_max_bytes" "$(cat "$queue/discard_max_bytes")" 512
dd if=/dev/urandom of=/tmp/random bs=1M count=8 status=none

fill() {
  dd if=/tmp/random of="$device" bs=1M oflag=direct status=none || fail "write"
  cp /tmp/random /tmp/model
}
# zero START LENGTH  in the model
zero() { dd if=/dev/zero of=/tmp/model bs=512 seek="$1" count="$2" conv=notrunc status=none; }
check() {
  dd if="$device" of=/tmp/read bs=1M count=8 iflag=direct status=none || fail "read"
  cmp /tmp/model /tmp/read || fail "$1: what is read differs"
}

step "write-zeroes"
expect_at_least "write_zeroes_max_bytes" "$(cat "$queue/write_zeroes_max_bytes")" 512
fill; into /tmp/out nvme write-zeroes "$device" --start-block=1 --block-count=6
zero 1 7; check "nvme write-zeroes over blocks 1 to 7"
into /tmp/out nvme write-zeroes "$device" --start-block=2000 --block-count=4095
zero 2000 4096; check "nvme write-zeroes over 2 MiB"
fill; into /tmp/out blkdiscard -f -z -o $((1 << 20)) -l $((4 << 20)) "$device"
zero 2048 8192; check "blkdiscard -z"

step "deallocate"
fill; into /tmp/out nvme dsm "$device" --ad --slbs=8,4096 --blocks=16,1024
zero 8 16; zero 4096 1024; check "nvme dsm with two ranges"
fill; into /tmp/out blkdiscard -f -o $((2 << 20)) -l $((4 << 20)) "$device"
zero 4096 8192; check "blkdiscard"
into /tmp/out blkdiscard -f "$device"
zero 0 16384; check "blkdiscard of the whole"
fill; check "written again after a discard"
disconnect
