# What `crypto` encrypts dm-crypt opens with the same key, and what dm-crypt encrypts `crypto` opens, with keys of both sizes.
# needs: capsuled
# timeout: 90
. /run/testbed/guest.sh
modprobe dm-crypt || fail "modprobe dm-crypt"

# sums FILE OFFSETS...  of 64 KiB at each MiB, and of the last blocks
sums() {
  local at
  for at in 0 1 7 31; do
    dd if="$1" bs=64k skip=$((at * 16)) count=1 iflag=direct status=none | sha256sum
  done
  dd if="$1" bs=4k skip=$((32 * 256 - 1)) count=1 iflag=direct status=none | sha256sum
}
fill() { dd if=/tmp/random of="$1" bs=1M oflag=direct status=none || fail "write to $1"; }
open_plain() {
  printf "$(outer key "$bytes")" > /tmp/key
  into /tmp/cryptsetup cryptsetup open --type plain --cipher aes-xts-plain64 \
    --key-size $((bytes * 8)) --key-file /tmp/key --sector-size "$sector" "$device" plain
}

for bytes in 32 64; do
  for sector in 512 4096; do
    dd if=/dev/urandom of=/tmp/random bs=1M count=32 status=none
    step "crypto writes, $bytes bytes, sectors of $sector"
    outer crypto "$bytes" "$sector"
    connect
    fill "$device"
    sums "$device" > /tmp/written
    disconnect

    step "dm-crypt reads, and writes"
    outer plain
    connect
    sums "$device" > /tmp/encrypted
    cmp -s /tmp/written /tmp/encrypted && fail "nothing is encrypted"
    open_plain
    sums /dev/mapper/plain > /tmp/read
    cmp /tmp/written /tmp/read || fail "dm-crypt reads something else"
    dd if=/dev/urandom of=/tmp/random bs=1M count=32 status=none
    fill /dev/mapper/plain
    sums /dev/mapper/plain > /tmp/written
    into /tmp/cryptsetup cryptsetup close plain
    disconnect

    step "crypto reads"
    outer crypto "$bytes" "$sector"
    connect
    sums "$device" > /tmp/read
    cmp /tmp/written /tmp/read || fail "crypto reads something else"
    disconnect
  done
done
