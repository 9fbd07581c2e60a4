# A stack is taken away with its base while it is written: I/O on it ends, on the other namespace it goes on, and
# when the stack is back it is the same disk with what was on it.
# needs: capsuled
# timeout: 90
. /run/testbed/guest.sh
connect
subsystem=${device%n*}
second=${subsystem}n2
present() { [ -b "$second" ]; }
absent() { [ ! -e "$second" ]; }
ended() { ! kill -0 $stack_load 2>/dev/null; }
# load DEVICE FILE OPTIONS...
load() {
  exec fio --name=load --filename="$1" --rw=randrw --bsrange=4k-64k --offset=16M --size=16M --iodepth=8 \
    --ioengine=libaio --direct=1 --time_based --runtime=120 --verify=crc32c --verify_fatal=1 \
    --verify_backlog=64 --minimal "${@:3}" > "$2" 2>&1
}
connections=$(metric capsuled_connections_total)
outer add
wait_until 60 "$second appears" present
wwid=$(cat /sys/block/${second#/dev/}/wwid)
dd if=/dev/urandom of=/tmp/random bs=1M count=8 status=none
dd if=/tmp/random of="$second" bs=1M oflag=direct,sync status=none || fail "write to $second"
load "$device" /tmp/load --rate_iops=20 &
load=$!

for round in 1 2; do
  step "taken away under I/O, round $round"
  load "$second" /tmp/stack_load &
  stack_load=$!
  sleep 1
  kill -0 $stack_load 2>/dev/null || fail "I/O on $second ended: $(tail -n 5 /tmp/stack_load)"
  outer remove
  wait_until 60 "$second vanishes" absent
  wait_until 60 "the end of I/O on it" ended
  grep -q "verify" /tmp/stack_load && fail "wrong bytes: $(tail -n 5 /tmp/stack_load)"

  step "and back, round $round"
  outer add
  wait_until 60 "$second appears" present
  expect "its identity" "$(cat /sys/block/${second#/dev/}/wwid)" "$wwid"
  dd if="$second" of=/tmp/read bs=1M count=8 iflag=direct status=none || fail "read from $second"
  cmp /tmp/random /tmp/read || fail "$second: what is read differs"
done
kill -0 $load 2>/dev/null || fail "I/O on $device ended: $(tail -n 5 /tmp/load)"
kill -INT $load
wait $load
expect "I/O error on $device" "$(awk -F';' 'NF > 50 { print $5 }' /tmp/load)" 0
expect "connections made meanwhile" $(($(metric capsuled_connections_total) - connections)) 0
expect "state" "$(state)" live
disconnect
