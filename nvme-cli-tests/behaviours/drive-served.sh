# Drives that the daemon drives by itself are disks like any other: given to it by `device bind`, verified in every size, with
# file systems and discard, through a reset under I/O, and given back with what is on them.
# needs: capsuled
# target: guest
# drives: yes
# timeout: 150
. /run/testbed/guest.sh
first=0000:01:00.0 second=0000:02:00.0
modprobe nvme || fail "modprobe nvme"
modprobe -a vfio-pci vfio_iommu_type1 || fail "modprobe vfio-pci"
kernels() { d=$(ls /sys/bus/pci/devices/$1/nvme/*/ | grep -o 'nvme[0-9]*n1' | head -n 1) && [ -b "/dev/$d" ] && echo "/dev/$d"; }
capsuled() { in-host -C /tmp "$NODE" "$MAIN" "$@"; }
driver() { basename "$(readlink /sys/bus/pci/devices/$1/driver)"; }

step "a drive in use is not given away"
wait_until 30 "the kernel has the drive" kernels $second
own=$(kernels $second)
into /tmp/mkfs mkfs.ext4 -q "$own"
mkdir -p /mnt/own && mount "$own" /mnt/own && cp /bin/bash /mnt/own/kept && sync || fail "mount"
refused /tmp/bind capsuled device bind $second
grep -q "/mnt/own" /tmp/bind || fail "it does not say what holds it: $(cat /tmp/bind)"
expect "its driver" "$(driver $second)" nvme
umount /mnt/own
step "drives are given to the daemon"
into /tmp/bind capsuled device bind --dry-run $first $second
expect "its driver" "$(driver $first)" nvme
into /tmp/bind capsuled device bind $first $second
expect "its driver" "$(driver $first)" vfio-pci
daemon_start
connect --hdr-digest --data-digest
present() { one=$(device_of 1) && two=$(device_of 2) && three=$(device_of 3); }
wait_until 30 "the disks appear" present
expect "blocks of the second namespace" "$(blockdev --getss "$two")" 4096

step "verified"
device=$one
for size in 512 4k 64k 1M; do fio_verify --bs=$size --iodepth=16 --size=2M; done
for depth in 1 64; do fio_verify --bs=4k --iodepth=$depth --size=4M; done
device=$two
fio_verify --bs=4k-128k --iodepth=16 --size=8M
mount "$three" /mnt/own && cmp /bin/bash /mnt/own/kept || fail "the file system of the drive"
cp /bin/bash /mnt/own/more && sync && umount /mnt/own || fail "umount"
step "a file system, made and mended by way of the daemon"
into /tmp/mkfs mkfs.ext4 -q "$two"
mount "$two" /mnt/own && cp /bin/bash /mnt/own/there && sync && fstrim /mnt/own && umount /mnt/own || fail "mount"
into /tmp/fsck e2fsck -fn "$two"
mount "$two" /mnt/own && cmp /bin/bash /mnt/own/there && umount /mnt/own || fail "the file system"
step "two at once, and discard"
load_begins /tmp/load1 --filename="$one" --bs=4k --size=8M --iodepth=8 && load1=$load
load_begins /tmp/load2 --filename="$two" --bs=16k --size=8M --iodepth=8 && load2=$load
blkdiscard -o $((32 << 20)) -l $((8 << 20)) "$one" || fail "blkdiscard"
sleep 1
step "a reset under I/O"
echo 1 > /sys/bus/pci/devices/$first/reset || fail "reset"
was_reset() { [ "$(metric capsuled_nvme_resets_total)" -ge 1 ]; }
wait_until 60 "it is seen" was_reset
before=$(completed "$one")
wait_until 60 "I/O goes on" completed_over "$one" $((before + 20))
load_ends /tmp/load1 $load1
load_ends /tmp/load2 $load2
expect "state" "$(state)" live
expect "copies" "$(metric capsuled_bounce_copies_total)" 0
step "idle, it sleeps"
sleeps=$(metric capsuled_reactor_sleeps_total)
asleep() { [ "$(metric capsuled_reactor_sleeps_total)" -gt $((sleeps + 5)) ]; }
wait_until 60 "it has slept" asleep
step "given back"
disconnect
daemon_stop
# The whole drive, and no network.
into /tmp/perf capsuled perf "pcie://$first?nsid=2" --rw randrw --verify --count 2000 --allow data-loss --json
grep -q '"mismatches": 0,' /tmp/perf || fail "perf: $(cat /tmp/perf)"
into /tmp/unbind capsuled device unbind $first $second
expect "its driver" "$(driver $second)" nvme
wait_until 30 "the kernel has the drive" kernels $second
own=$(kernels $second)
into /tmp/fsck e2fsck -fn "$own"
mount "$own" /mnt/own && cmp /bin/bash /mnt/own/more || fail "the file system after it was given back"
umount /mnt/own
