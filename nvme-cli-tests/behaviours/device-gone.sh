# A block device that goes under I/O is gone for good: its hosts' I/O ends with errors, the log and the metrics say which
# bdev it is, and the other namespace goes on.
# needs: capsuled
# target: guest
# timeout: 120
. /run/testbed/guest.sh
step "the device"
modprobe null_blk nr_devices=0 || fail "modprobe null_blk"
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config || fail "configfs"
disk=/sys/kernel/config/nullb/nullb0
mkdir $disk || fail "mkdir $disk"
echo 32 > $disk/size
echo 1 > $disk/memory_backed
echo 1 > $disk/power || fail "power"
step "the daemon starts"
daemon_start
connect
present() { device=$(device_of 1) && second=$(device_of 2); }
wait_until 30 "both disks appear" present
expect "its size" "$(blockdev --getsize64 "$second")" $((32 << 20))

load_begins /tmp/second_load --filename="$second" --bs=4k --size=8M --iodepth=8
second_load=$load
load_begins /tmp/load --filename="$device" --bs=4k --size=8M --iodepth=8 --rate_iops=50
sleep 1
load_goes_on /tmp/second_load $second_load
step "the device goes"
echo 0 > $disk/power || fail "power off"
wait_until 120 "I/O on it ends" load_is_over $second_load
wait $second_load && fail "I/O on it succeeded"
grep -q "verify: bad" /tmp/second_load && fail "wrong bytes: $(tail -n 5 /tmp/second_load)"
is_gone() {
  http_get "$ADMIN_PORT" /metrics > /tmp/metrics &&
    grep -qxF 'capsuled_bdev_state{bdev="disk0",state="gone"} 1' /tmp/metrics
}
wait_until 30 "the metrics say it" is_gone
is_logged() { grep -q '"bdev":"disk0","state":"gone","msg":"its device is gone' /tmp/daemon.log; }
wait_until 30 "the log says it" is_logged
http_get "$ADMIN_PORT" /readyz > /tmp/readyz
grep -q "bdev disk0: its device is gone" /tmp/readyz || fail "/readyz: $(cat /tmp/readyz)"
dd if="$second" of=/dev/null bs=4k count=1 iflag=direct status=none 2>/dev/null && fail "$second is read"

step "the other goes on"
load_ends /tmp/load $load
expect "state" "$(state)" live
disconnect
daemon_stop
