# A host with four processors connects with four I/O queues and uses them at once.
# runner: qemu
# smp: 4
. /run/testbed/guest.sh

expect "processors" "$(nproc)" 4
step connect
connect -i 4
expect "queue_count" "$(cat "/sys/class/nvme/$controller/queue_count")" 5
[ "$ADMIN_PORT" ] && expect "capsuled_connections" "$(metric capsuled_connections)" 5
step "a job on each processor"
into /tmp/fio.out fio --filename="$device" --ioengine=libaio --direct=1 --rw=randrw --bs=4k \
  --size=1M --iodepth=8 \
  --verify=crc32c --verify_fatal=1 --do_verify=1 --minimal \
  --name=a --offset=0 --cpus_allowed=0 --name=b --offset=1M --cpus_allowed=1 \
  --name=c --offset=2M --cpus_allowed=2 --name=d --offset=3M --cpus_allowed=3
expect "hardware queues" "$(find /sys/block/nvme*c*n*/mq/ -mindepth 1 -maxdepth 1 | wc -l)" 4
disconnect
