# A host that falls silent is dropped when its keep-alive time is over, and finds back afterwards.
# The network is cut for longer than that; the daemon frees the controller,
# counts the expiry and logs it; then the host reconnects by itself.
# needs: capsuled
# timeout: 90
. /run/testbed/guest.sh
connect -k 2 --reconnect-delay=1 --ctrl-loss-tmo=60
nvme id-ctrl "/dev/$controller" > /tmp/ctrl || fail "id-ctrl"
granularity=$(field kas /tmp/ctrl) # in 100 ms
fio_verify --bs=4k --size=1M --iodepth=4
dd if="$device" bs=4k count=256 iflag=direct status=none | sha256sum > /tmp/before

step "the network is cut"
outer watch
cut_network
sleep $((2 + granularity / 10 + 3)) # the outage itself
mend_network
step "the network is back"
outer expired
wait_until 30 "the host is back" is_live
dd if="$device" bs=4k count=256 iflag=direct status=none | sha256sum > /tmp/after
cmp /tmp/before /tmp/after || fail "the data differ"
disconnect
