# A host that is not on the list is refused: the kernel says so, the daemon's log says why.
# The refusal is counted, and the host on the list connects.
# needs: capsuled
. /run/testbed/guest.sh
stranger=nqn.2026-11.test.host:stranger
before=$(metric capsuled_connect_rejected_total)

step "the stranger"
refused /tmp/out nvme connect -t tcp -a $address -s "$PORT" -n "$nqn" --hostnqn="$stranger" \
  --hostid=11111111-2222-4333-8444-555555555555
cat /tmp/out
dmesg | grep -q "is not allowed, hostnqn: $stranger" ||
  fail "the kernel was not told that the host is not allowed"
no_controllers || fail "a controller is left"
after=$(metric capsuled_connect_rejected_total)
expect "capsuled_connect_rejected_total more" $((after - before)) 1
outer log-names "$stranger"

step "the friend"
connect --hostnqn=nqn.2026-11.test.host:friend --hostid=66666666-7777-4888-9999-000000000000
fio_verify --bs=4k --size=1M --iodepth=4
disconnect
