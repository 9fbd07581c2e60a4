# Header and data digests work, each alone and both, with small and large transfers.
# timeout: 90
. /run/testbed/guest.sh
for options in -g -G "-g -G"; do
  step "nvme connect $options"
  connect $options
  fio_verify --bs=512 --size=128k --iodepth=8
  fio_verify --bs=4k --size=2M --iodepth=16
  fio_verify --bs=1M --size=8M --iodepth=4 --offset=8M
  expect "state" "$(state)" live
  disconnect
done
dmesg | grep -iE 'digest error|ddgst|hdgst' && fail "a digest error"
exit 0
