# A namespace added to the configuration appears on a connected host, and one taken out vanishes.
# The host hears of it by an asynchronous event: no reconnect, and I/O on the other goes on.
# needs: capsuled
. /run/testbed/guest.sh
connect
subsystem=${device%n*}
second=${subsystem}n2
present() { [ -b "$second" ]; }
absent() { [ ! -e "$second" ]; }
absent || fail "$second is there already"
connections=$(metric capsuled_connections_total)

load_begins /tmp/load --filename="$device" --bs=4k --size=16M --iodepth=4
for round in 1 2; do
  step "added, round $round"
  outer add-namespace
  wait_until 60 "$second appears" present
  expect "its size" "$(blockdev --getsize64 "$second")" $((32 << 20))
  dd if=/dev/urandom of=/tmp/random bs=1M count=4 status=none
  dd if=/tmp/random of="$second" bs=1M oflag=direct status=none || fail "write to $second"
  dd if="$second" of=/tmp/read bs=1M count=4 iflag=direct status=none || fail "read from $second"
  cmp /tmp/random /tmp/read || fail "$second: what is read differs"

  step "removed, round $round"
  outer remove-namespace
  wait_until 60 "$second vanishes" absent
done
load_ends /tmp/load $load
expect "connections made meanwhile" $(($(metric capsuled_connections_total) - connections)) 0
expect "state" "$(state)" live
disconnect
