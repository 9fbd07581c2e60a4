# The features a fabrics controller must have can be read, and its registers make sense.
. /run/testbed/guest.sh
connect -k 15

# feature FID  its value
feature() {
  into /tmp/feature nvme get-feature "/dev/$controller" -f "$1" "${@:2}"
  sed -n 's/.*value: *\(0x\)\{0,1\}\([0-9a-fA-F]*\).*/\2/p' /tmp/feature
}
step get-feature
expect "volatile write cache (06h)" "$((16#$(feature 0x06) & 1))" 1
queues=$((16#$(feature 0x07)))
expect_at_least "I/O submission queues granted (07h)" $(((queues & 0xffff) + 1)) 1
expect_at_least "I/O completion queues granted (07h)" $(((queues >> 16) + 1)) 1
expect "namespace attribute notices on (0bh)" "$((16#$(feature 0x0b) & 0x100))" 256
expect "keep alive time-out (0fh)" "$((16#$(feature 0x0f)))" 15000
into /tmp/hostid nvme get-feature "/dev/$controller" -f 0x81 -c 1 -b
expect "host identifier (81h)" "$(od -An -tx1 -N16 /tmp/hostid | tr -d ' \n')" \
  "$(tr -d '\n-' < /etc/nvme/hostid)"
refused /tmp/out nvme get-feature "/dev/$controller" -f 0x7f
[ "$KIND" = nvmet ] || # says that the length is wrong
  grep -q 'Invalid Field' /tmp/out || fail "an unknown feature: $(cat /tmp/out)"

step registers
# register OFFSET  its value
register() {
  into /tmp/property nvme get-property "/dev/$controller" -o "$1"
  sed -n 's/.*value: *//p' /tmp/property
}
cap=$(register 0)
expect_at_least "CAP.MQES" $((16#$cap & 0xffff)) 15
[ "$KIND" = nvmet ] || expect "CAP.CQR" $((16#$cap >> 16 & 1)) 1
expect "CAP.CSS, NVM command set" $((16#$cap >> 37 & 1)) 1
expect_at_least "VS" $((16#$(register 8))) $((0x10300))
cc=$(register 0x14)
expect "CC.EN" $((16#$cc & 1)) 1
expect "CC.IOSQES, CC.IOCQES" $((16#$cc >> 16 & 0xff)) $((0x46))
expect "CSTS.RDY, CSTS.CFS" $((16#$(register 0x1c) & 3)) 1
# show-regs of Debian 12's nvme-cli reads freed memory when a property is refused.
into /tmp/regs nvme-trixie show-regs "/dev/$controller" -H
cat /tmp/regs
grep -qE 'Ready +\(RDY\): Yes' /tmp/regs || fail "show-regs does not show a ready controller"
disconnect
