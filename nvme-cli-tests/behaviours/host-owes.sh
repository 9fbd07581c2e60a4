# A host that stops in the middle of its writes does not stop another host's I/O.
# Another host has eight queues of writes of 1 MiB, and sends none of the data
# that it was asked for; when it is cut off it comes back and does the same.
# This host's reads and writes of 256 KiB go on meanwhile, and no one of them
# waits for the other host's time-out, nor does a Connect.
# needs: capsuled
# timeout: 100
. /run/testbed/guest.sh
connect
step "another host stops in its writes"
outer owe
before=$(completed "$device")
fio --name=load --filename="$device" --rw=randrw --bs=256k --size=32M --number_ios=400 --iodepth=4 \
  --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 --minimal > /tmp/load 2>&1 &
load=$!
wait_until 60 "I/O goes on" completed_over "$device" "$before"
step "a Connect beside it"
into /tmp/log nvme discover -t tcp -a $address -s "$DISCOVERY_PORT"
grep -q "subnqn: *$nqn" /tmp/log || fail "discovery has no $nqn"
wait $load || fail "fio: $(tail -n 20 /tmp/load)"

# Of the terse format, version 3: the longest completion latencies, in us.
for column in 15 56; do
  longest=$(cut -d";" -f$column /tmp/load | tail -n 1 | cut -d. -f1)
  step "the longest took $longest us"
  [ "$longest" -lt 10000000 ] || fail "an I/O waited $longest us"
done
outer stop-owing
disconnect
