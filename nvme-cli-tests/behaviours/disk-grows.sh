# A file that grows below crypto and split is a larger disk at once, and the ext4 that is mounted on it grows, too.
# needs: capsuled
# timeout: 120
. /run/testbed/guest.sh
files() { (cd /mnt/disk && find . -type f | sort | xargs sha256sum); }
free_kib() { stat -f -c '%f %S' /mnt/disk | { read -r blocks bytes; echo $((blocks * bytes / 1024)); }; }
has_size() { [ "$(blockdev --getsize64 "$device")" = "$1" ]; }

outer make
connect
expect "the size" "$(blockdev --getsize64 "$device")" $((31 << 20))
step "what fio writes it reads back"
fio_verify --bs=4k --iodepth=32 --size=16M
fio_verify --bsrange=512-256k --blockalign=512 --iodepth=8 --size=24M

step "a file system in use"
into /tmp/mkfs mkfs.ext4 -q "$device"
mkdir -p /mnt/disk
mount "$device" /mnt/disk || fail "mount"
dd if=/dev/urandom of=/mnt/disk/first bs=1M count=8 status=none || fail "write"
sync
files > /tmp/written
before=$(free_kib)
load_begins /tmp/load --directory=/mnt/disk --bs=4k --size=4M --iodepth=4

for mebibytes in 96 160; do
  step "the file has $mebibytes MiB"
  outer grow $mebibytes
  wait_until 60 "the new size" has_size $(((mebibytes - 1) << 20))
  into /tmp/resize resize2fs "$device"
  expect_at_least "free KiB" "$(free_kib)" $((before + 32 * 1024))
  before=$(free_kib)
  dd if=/dev/urandom of=/mnt/disk/with$mebibytes bs=1M count=24 status=none || fail "write"
done
load_ends /tmp/load $load
rm /mnt/disk/load.*
sync
files > /tmp/all
grep -F ./first /tmp/all | cmp - /tmp/written || fail "the first file differs"
umount /mnt/disk || fail "umount"
e2fsck -fn "$device" > /tmp/fsck 2>&1 || fail "fsck: $(cat /tmp/fsck)"
disconnect

step "it has all of it after a restart"
outer restart
connect
expect "the size" "$(blockdev --getsize64 "$device")" $((159 << 20))
mount "$device" /mnt/disk || fail "mount"
files | cmp - /tmp/all || fail "the files differ"
umount /mnt/disk || fail "umount"
disconnect
