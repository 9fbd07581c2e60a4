# A RAM disk that is empty after a restart is another disk: the file system that was mounted on the old one fails, and writes nothing into it.
# needs: capsuled
# timeout: 120
. /run/testbed/guest.sh
connect -i 1 -W 1 --reconnect-delay=1 --ctrl-loss-tmo=60
uuid_of() { cat "/sys/block/${1##*/}/uuid" 2>/dev/null; }
old_uuid=$(uuid_of "$device")

step "a file system in use"
into /tmp/mkfs mkfs.ext4 -q "$device"
mkdir -p /mnt/disk
mount "$device" /mnt/disk || fail "mount"
dd if=/dev/urandom of=/tmp/random bs=1M count=4 status=none
cp /tmp/random /mnt/disk/file && sync || fail "write"
while dd if=/tmp/random of=/mnt/disk/more bs=64k count=4 conv=fsync status=none 2> /tmp/writer; do
  sleep 0.05
done &
writer=$!

step "the daemon starts again"
outer restart
wait_until 30 "the host is back" is_live
ended() { ! kill -0 $writer 2>/dev/null; }
wait_until 30 "the writer meets an error" ended

step "what is read is what was written, or an error"
echo 3 > /proc/sys/vm/drop_caches
if cat /mnt/disk/file > /tmp/read 2>/dev/null; then
  cmp /tmp/random /tmp/read || fail "the file reads as something else"
fi
umount /mnt/disk

step "the empty disk is there as another one"
another() {
  local d
  for d in /sys/class/nvme-subsystem/*/nvme*n*; do
    d=/dev/${d##*/}
    [ -b "$d" ] && [ "$(uuid_of "$d")" != "$old_uuid" ] && device=$d
  done
  [ "$(uuid_of "$device")" != "$old_uuid" ] && [ -b "$device" ]
}
wait_until 20 "another disk" another
size=$(blockdev --getsize64 "$device")
expect "its size" "$size" $((64 << 20))
cmp -n "$size" "$device" /dev/zero || fail "something was written into the empty disk"
disconnect
