# A disconnect in the middle of reads and writes ends at once, and the next connect works.
. /run/testbed/guest.sh
for round in 1 2 3; do
  step "round $round"
  connect -i 1 -W 1
  before=$(completed "$device")
  fio --name=load --filename="$device" --rw=randrw --bs=64k --iodepth=32 --ioengine=libaio \
    --direct=1 --time_based --runtime=60 --minimal > /tmp/load 2>&1 &
  load=$!
  wait_until 60 "I/O under way" completed_over "$device" $((before + 50))
  begin=$(date +%s)
  disconnect
  [ $(($(date +%s) - begin)) -le 10 ] || fail "the disconnect took $(($(date +%s) - begin)) s"
  wait $load && fail "fio did not notice"
  [ -e "$device" ] && fail "$device is still there"
done
connect
fio_verify --bs=4k --size=4M --iodepth=16
disconnect
