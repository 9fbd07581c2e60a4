# A host that dies in the middle of writes leaves nothing behind in the daemon.
# No connection, no controller, no buffer in use; what else it serves goes on.
# needs: capsuled
. /run/testbed/guest.sh
connect -i 1 -W 1 -P 1
before=$(completed "$device")
fio --name=load --filename="$device" --rw=write --bs=1M --iodepth=32 --ioengine=libaio --direct=1 \
  --time_based --runtime=60 --minimal > /tmp/load 2>&1 &
wait_until 20 "writes under way" completed_over "$device" $((before + 20))
outer kill-host
