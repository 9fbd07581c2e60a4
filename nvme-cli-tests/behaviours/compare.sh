# Compare succeeds on equal blocks and ends with Compare Failure on any difference.
# needs: capsuled
. /run/testbed/guest.sh
connect
dd if=/dev/urandom of=/tmp/equal bs=4k count=4 status=none
dd if=/tmp/equal of="$device" bs=4k oflag=direct status=none || fail "write"
cmp_blocks() {
  nvme compare "$device" --start-block=0 --block-count=31 --data-size=16384 --data="$1"
}

into /tmp/out cmp_blocks /tmp/equal
# The last byte differs, whatever it is.
head -c 16383 /tmp/equal > /tmp/other
tail -c 1 /tmp/equal | tr '\000-\377' '\001-\377\000' >> /tmp/other
cmp -s /tmp/equal /tmp/other && fail "the test's own files are equal"
refused /tmp/out cmp_blocks /tmp/other
cat /tmp/out
grep -qi 'compare fail' /tmp/out || fail "a difference in the last byte: $(cat /tmp/out)"
dd if="$device" of=/tmp/read bs=4k count=4 iflag=direct status=none
cmp /tmp/equal /tmp/read || fail "Compare changed the blocks"
disconnect
