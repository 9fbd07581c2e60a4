# A drive that is taken out under I/O is let go: its hosts' I/O ends with errors, its namespace goes, the other one stays, and
# when the drive is put back so is the namespace, with what is on it.
# needs: capsuled
# target: guest
# drives: yes
# timeout: 150
. /run/testbed/guest.sh
drive=0000:02:00.0
modprobe nvme || fail "modprobe nvme"
modprobe -a vfio-pci vfio_iommu_type1 || fail "modprobe vfio-pci"
capsuled() { in-host -C /tmp "$NODE" "$MAIN" "$@"; }
is_there() { [ -e /sys/bus/pci/devices/$drive ]; }
is_gone() { ! is_there; }
# And the other one, so that the kernel's host has no controllers but ours.
into /tmp/bind capsuled device bind $drive 0000:01:00.0
daemon_start
connect
present() { device=$(device_of 1) && second=$(device_of 2); }
wait_until 30 "both disks appear" present
dd if=/bin/bash of="$second" bs=64k count=16 seek=512 oflag=direct conv=notrunc status=none || fail "write"
load_begins /tmp/second_load --filename="$second" --bs=4k --size=8M --iodepth=8
second_load=$load
load_begins /tmp/load --filename="$device" --bs=4k --size=8M --iodepth=8 --rate_iops=50
sleep 1
load_goes_on /tmp/second_load $second_load
# What the daemon has open, and pinned.
holds() { ls /proc/$daemon/fd | wc -l; awk '/^VmLck/ { print $2 }' /proc/$daemon/status; }
held=$(holds)
step "the drive is taken out"
outer unplug
wait_until 120 "I/O on it ends" load_is_over $second_load
wait $second_load && fail "I/O on it succeeded"
grep -q "verify: bad" /tmp/second_load && fail "wrong bytes: $(tail -n 5 /tmp/second_load)"
wait_until 60 "the machine has let it go" is_gone
no_second() { ! device_of 2 > /tmp/none; }
wait_until 60 "its namespace goes" no_second
load_goes_on /tmp/load $load
step "it is put back"
outer plug
wait_until 60 "the machine has it" is_there
into /tmp/bind capsuled device bind $drive
wait_until 240 "its namespace comes back" present
dd if="$second" of=/tmp/read bs=64k count=16 skip=512 iflag=direct status=none || fail "read"
cmp -n $((16 << 16)) /bin/bash /tmp/read || fail "it reads as something else"
device=$second
fio_verify --bs=4k --iodepth=8 --size=4M
load_ends /tmp/load $load
expect "descriptors, and KiB of memory pinned," "$(echo $(holds))" "$(echo $held)"
expect "state" "$(state)" live
disconnect
daemon_stop
