# The features a fabrics controller must have can be read, and its registers make sense.
. /run/testbed/guest.sh
connect -k 15

# feature FID  its value
feature() {
  nvme get-feature "/dev/$controller" -f "$1" "${@:2}" > /tmp/feature 2>&1 || fail "get-feature $1: $(cat /tmp/feature)"
  sed -n 's/.*value: *\(0x\)\{0,1\}\([0-9a-fA-F]*\).*/\2/p' /tmp/feature
}
step get-feature
expect "volatile write cache (06h)" "$((16#$(feature 0x06) & 1))" 1
queues=$((16#$(feature 0x07)))
expect_at_least "I/O submission queues granted (07h)" $(((queues & 0xffff) + 1)) 1
expect_at_least "I/O completion queues granted (07h)" $(((queues >> 16) + 1)) 1
feature 0x0b > /tmp/aer; echo "asynchronous events (0bh): $(cat /tmp/aer)"
expect "namespace attribute notices on" "$((16#$(cat /tmp/aer) & 0x100))" 256
expect "keep alive time-out (0fh)" "$((16#$(feature 0x0f)))" 15000
nvme get-feature "/dev/$controller" -f 0x81 -d 16 -c 1 -b > /tmp/hostid 2>/tmp/err ||
  nvme get-feature "/dev/$controller" -f 0x81 -l 16 -b > /tmp/hostid 2>/tmp/err ||
  fail "host identifier (81h): $(cat /tmp/err)"
refused /tmp/out nvme get-feature "/dev/$controller" -f 0x7f
[ "$KIND" = nvmet ] || # says that the length is wrong
  grep -qiE 'INVALID.FIELD|0x(40)?02' /tmp/out || fail "an unknown feature: $(cat /tmp/out)"

step show-regs
nvme show-regs "/dev/$controller" -H > /tmp/regs 2>&1 || fail "show-regs: $(cat /tmp/regs)"
cat /tmp/regs
cc=$(sed -n 's/^cc *: *//p' /tmp/regs) csts=$(sed -n 's/^csts *: *//p' /tmp/regs)
expect "CC.EN" "$((16#${cc#0x} & 1))" 1
expect "CSTS.RDY" "$((16#${csts#0x} & 1))" 1
expect "CSTS.CFS" "$((16#${csts#0x} & 2))" 0
disconnect
