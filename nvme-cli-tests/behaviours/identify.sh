# `nvme list`, id-ctrl, id-ns and the namespace's identifiers say what was configured.
# The identifiers are the same after a reconnect.
. /run/testbed/guest.sh

connect
step "nvme list"
nvme list > /tmp/list || fail "nvme list"
cat /tmp/list
grep -q "^$device " /tmp/list || fail "nvme list does not show $device"

step id-ctrl
nvme id-ctrl "/dev/$controller" > /tmp/ctrl || fail "id-ctrl"
cat /tmp/ctrl
expect subnqn "$(field subnqn /tmp/ctrl)" "$nqn"
expect cntlid "$(($(field cntlid /tmp/ctrl)))" "$(cat "/sys/class/nvme/$controller/cntlid")"
expect icdoff "$(field icdoff /tmp/ctrl)" 0
expect iorcsz "$(field iorcsz /tmp/ctrl)" 1
expect_at_least ioccsz "$(field ioccsz /tmp/ctrl)" 4
expect_at_least maxcmd "$(field maxcmd /tmp/ctrl)" 2
expect_at_least nn "$(field nn /tmp/ctrl)" 1
expect_at_least kas "$(field kas /tmp/ctrl)" 1
expect "volatile write cache present" "$(($(field vwc /tmp/ctrl) & 1))" 1
[ "$(($(field sgls /tmp/ctrl) & 3))" != 0 ] || fail "no SGL support in sgls"
expect "Dataset Management and Write Zeroes in oncs" "$(($(field oncs /tmp/ctrl) & 0xc))" 12
if [ "$KIND" = capsuled ]; then
  grep "^$device " /tmp/list | grep -q CAPSULED0001 || fail "nvme list: no serial number"
  expect sn "$(field sn /tmp/ctrl)" CAPSULED0001
  expect mn "$(field mn /tmp/ctrl)" capsuled
  expect cntrltype "$(field cntrltype /tmp/ctrl)" 1
  expect "Compare in oncs" "$(($(field oncs /tmp/ctrl) & 1))" 1
fi

step id-ns
nvme list-ns "/dev/$controller" > /tmp/namespaces || fail "list-ns"
expect "namespaces" "$(sed 's/ //g' /tmp/namespaces)" "[0]:0x1"
nvme id-ns "$device" > /tmp/ns || fail "id-ns"
cat /tmp/ns
expect nsze "$(($(field nsze /tmp/ns)))" 131072
expect ncap "$(($(field ncap /tmp/ns)))" 131072
grep -q 'lbads:9 .*in use' /tmp/ns || fail "the blocks are not of 512 bytes"
expect "size in bytes" "$(blockdev --getsize64 "$device")" $((64 << 20))
expect "logical block" "$(blockdev --getss "$device")" 512

step ns-descs
nvme ns-descs "$device" > /tmp/descs || fail "ns-descs"
cat /tmp/descs
uuid=$(field uuid /tmp/descs)
nguid=$(field nguid /tmp/descs)
[ "$uuid" ] && [ "$uuid" != 00000000-0000-0000-0000-000000000000 ] || fail "no UUID"
[ "$KIND" = nvmet ] || expect "NGUID in id-ns" "$(field nguid /tmp/ns)" "$nguid"
expect "uuid in sysfs" "$(cat "/sys/block/${device##*/}/uuid")" "$uuid"

disconnect
connect
nvme ns-descs "$device" > /tmp/again || fail "ns-descs after reconnect"
expect "identifiers after a reconnect" "$(tail -n +2 /tmp/again)" "$(tail -n +2 /tmp/descs)"
disconnect
