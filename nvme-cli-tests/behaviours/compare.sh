# Compare succeeds on equal blocks and ends with Compare Failure on any difference.
# needs: capsuled
. /run/testbed/guest.sh
connect
dd if=/dev/urandom of=/tmp/equal bs=4k count=4 status=none
dd if=/tmp/equal of="$device" bs=4k oflag=direct status=none || fail "write"
cmp_blocks() { nvme compare "$device" --start-block=0 --block-count=31 --data-size=16384 --data="$1"; }

cmp_blocks /tmp/equal > /tmp/out 2>&1 || fail "compare of equal blocks: $(cat /tmp/out)"
cp /tmp/equal /tmp/other
printf 'x' | dd of=/tmp/other bs=1 seek=16383 conv=notrunc status=none
cmp -s /tmp/equal /tmp/other && printf 'y' | dd of=/tmp/other bs=1 seek=16383 conv=notrunc status=none
refused /tmp/out cmp_blocks /tmp/other
cat /tmp/out
grep -qi 'compare fail' /tmp/out || fail "a difference in the last byte: $(cat /tmp/out)"
dd if="$device" of=/tmp/read bs=4k count=4 iflag=direct status=none
cmp /tmp/equal /tmp/read || fail "Compare changed the blocks"
disconnect
