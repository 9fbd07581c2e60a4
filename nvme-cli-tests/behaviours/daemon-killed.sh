# The daemon is killed and started again during I/O: the host recovers and no data are lost.
# The bdev is a file. Twice during writes with checksums, once right after an fsync.
# needs: capsuled
# timeout: 120
. /run/testbed/guest.sh
connect -i 1 -W 1 --reconnect-delay=1 --ctrl-loss-tmo=60

step "killed during writes"
job="--name=verify --filename=$device --rw=randwrite --bs=4k --size=16M --iodepth=8
  --ioengine=libaio --direct=1 --fsync=64 --verify=crc32c --verify_fatal=1"
fio $job --do_verify=1 --rate_iops=1000 --minimal > /tmp/fio.out 2>&1 &
load=$!
for round in 1 2; do
  wait_until 30 "writes under way" completed_over "$device" $(($(completed "$device") + 600))
  outer kill-daemon
  step "killed, round $round"
  kill -0 $load 2>/dev/null || fail "fio ended before the daemon: $(tail -n 5 /tmp/fio.out)"
  outer start-daemon
  wait_until 30 "the host is back" is_live
  step "back"
done
wait $load || fail "fio: $(tail -n 20 /tmp/fio.out)"

step "killed after an fsync"
dd if=/dev/urandom of=/tmp/random bs=1M count=8 status=none
dd if=/tmp/random of="$device" bs=256k seek=160 conv=fsync status=none || fail "write"
outer kill-daemon
outer start-daemon
wait_until 30 "the host is back" is_live
disconnect

step "everything read back"
connect
into /tmp/fio.out fio $job --verify_only --minimal
dd if="$device" of=/tmp/read bs=256k skip=160 count=32 iflag=direct status=none || fail "read"
cmp /tmp/random /tmp/read || fail "what was written and synced is not there"
disconnect
