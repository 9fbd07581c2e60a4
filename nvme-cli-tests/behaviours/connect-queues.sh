# A host connects with one I/O queue and with several, and every queue carries I/O.
# With one processor Linux makes up to three: for reads, for writes and one that
# is polled.
. /run/testbed/guest.sh

# try QUEUES OPTION...
try() {
  local queues=$1; shift
  step "nvme connect $*"
  connect "$@"
  expect "queue_count" "$(cat "/sys/class/nvme/$controller/queue_count")" $((queues + 1))
  [ "$ADMIN_PORT" ] &&
    expect "capsuled_connections" "$(metric capsuled_connections)" $((queues + 1))
  fio_verify --bs=4k --size=1M --iodepth=8
  if [ "$queues" = 3 ]; then
    into /tmp/fio.out fio --name=poll --filename="$device" --rw=randread --bs=4k --size=256k \
      --ioengine=pvsync2 --hipri=1 --direct=1 --minimal
  fi
  disconnect
  if [ "$ADMIN_PORT" ]; then
    no_connections() { [ "$(metric capsuled_connections)" = 0 ]; }
    wait_until 60 "no connections" no_connections
  fi
}

try 1 -i 1
try 2 -i 1 -W 1
try 3 -i 1 -W 1 -P 1
