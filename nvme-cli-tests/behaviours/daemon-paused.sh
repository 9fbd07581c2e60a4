# A host does not notice that the daemon was stopped for most of the keep-alive time-out.
# Its process is stopped, as the pause of a virtual machine stops everything in
# it, while fio writes and verifies, and shortly before the host's next Keep
# Alive. When it goes on, the last one that it has read is older than the
# time-out, and the next one lies in the socket; the host is not dropped, does
# not reconnect, and loses nothing.
# needs: capsuled
# timeout: 90
. /run/testbed/guest.sh
# The host sends a Keep Alive every 4 s and waits 8 s for its answer.
connect -k 8 --reconnect-delay=1 --ctrl-loss-tmo=60
cntlid=$(cat "/sys/class/nvme/$controller/cntlid")
outer begin
fio --name=load --filename="$device" --rw=randrw --bs=4k --iodepth=8 --ioengine=libaio --direct=1 \
  --verify=crc32c --verify_fatal=1 --size=4M --loops=1000 --time_based --runtime=20 \
  --minimal > /tmp/load 2>&1 &
load=$!
sleep 7 # until most of the second interval is over
before=$(completed "$device")
wait_until 20 "I/O under way" completed_over "$device" "$before"
step "pause"
outer stop-process
# When the last Keep Alive is older than the time-out by the daemon's clock. This one's is other.
outer continue-process
before=$(completed "$device")
wait_until 20 "I/O goes on" completed_over "$device" "$before"
wait $load || fail "fio: $(tail -n 20 /tmp/load)"
outer unharmed
is_live || fail "the controller is $(state)"
expect "the controller's number" "$(cat "/sys/class/nvme/$controller/cntlid")" "$cntlid"
dmesg | tail -n +$((dmesg_at_start + 1)) > /tmp/kernel
# That an answer took long it says; it must have drawn no conclusion.
grep -v "long keepalive RTT" /tmp/kernel | grep -iE "reconnect|keep.?alive|timeout|recovery" &&
  fail "the host noticed"
disconnect
