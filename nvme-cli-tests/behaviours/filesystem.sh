# An ext4 file system made on the namespace keeps its files over unmount and reconnect.
. /run/testbed/guest.sh
files() { (cd /mnt/disk && find . -type f | sort | xargs sha256sum); }

connect
step "mkfs.ext4, mount, copy"
mkfs.ext4 -q -F "$device" || fail "mkfs.ext4"
mkdir -p /mnt/disk
mount "$device" /mnt/disk || fail "mount"
dd if=/dev/urandom of=/tmp/random bs=1M count=16 status=none
cp /tmp/random /mnt/disk/ || fail "cp"
cp -r /usr/share /etc /usr/sbin/e2fsck /mnt/disk/ || fail "cp -r"
sync
files > /tmp/written
expect_at_least "files written" "$(wc -l < /tmp/written)" 5
expect "the copy" "$(sha256sum < /mnt/disk/random)" "$(sha256sum < /tmp/random)"
umount /mnt/disk || fail "umount"

step fsck
e2fsck -fn "$device" > /tmp/fsck 2>&1 || fail "fsck: $(cat /tmp/fsck)"
disconnect

step "reconnect, compare"
connect
mount "$device" /mnt/disk || fail "mount after reconnect"
files > /tmp/read
cmp /tmp/written /tmp/read || fail "the files differ: $(diff /tmp/written /tmp/read | head)"
rm -r /mnt/disk/share && sync && umount /mnt/disk || fail "rm, umount"
e2fsck -fn "$device" > /tmp/fsck 2>&1 || fail "fsck after deletion: $(cat /tmp/fsck)"
disconnect
