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
area=(--bsrange=4k-64k --offset=16M --size=16M --iodepth=8)
connections=$(metric capsuled_connections_total)
outer add
wait_until 60 "$second appears" present
wwid=$(cat /sys/block/${second#/dev/}/wwid)
dd if=/dev/urandom of=/tmp/random bs=1M count=8 status=none
dd if=/tmp/random of="$second" bs=1M oflag=direct,sync status=none || fail "write to $second"
load_begins /tmp/load --filename="$device" "${area[@]}" --rate_iops=20
first_load=$load

for round in 1 2; do
  step "taken away under I/O, round $round"
  load_begins /tmp/stack_load --filename="$second" "${area[@]}"
  sleep 1
  load_goes_on /tmp/stack_load $load
  outer remove
  wait_until 60 "$second vanishes" absent
  wait_until 60 "the end of I/O on it" load_is_over $load
  grep -q "verify" /tmp/stack_load && fail "wrong bytes: $(tail -n 5 /tmp/stack_load)"

  step "and back, round $round"
  outer add
  wait_until 60 "$second appears" present
  expect "its identity" "$(cat /sys/block/${second#/dev/}/wwid)" "$wwid"
  dd if="$second" of=/tmp/read bs=1M count=8 iflag=direct status=none || fail "read from $second"
  cmp /tmp/random /tmp/read || fail "$second: what is read differs"
done
load_ends /tmp/load $first_load
expect "connections made meanwhile" $(($(metric capsuled_connections_total) - connections)) 0
expect "state" "$(state)" live
disconnect
