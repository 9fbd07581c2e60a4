# A namespace that is given another bdev is another disk: the file system that is mounted on the old one fails, and writes nothing into the new one.
# needs: capsuled
# timeout: 120
. /run/testbed/guest.sh
connect -i 1 -W 1 --reconnect-delay=1 --ctrl-loss-tmo=60
old_uuid=$(uuid_of "$device")
step "a file system in use"
files_begin

step "SIGHUP alone"
outer reload-refused
files_go_on
expect "the UUID" "$(uuid_of "$device")" "$old_uuid"

step "the operator allows it"
outer apply
files_end

step "the new bdev is there as another disk"
wait_until 20 "another disk" another_disk "$old_uuid"
size=$(blockdev --getsize64 "$device")
expect "its size" "$size" $((64 << 20))
yes "$(outer words)" | head -c "$size" > /tmp/other
cmp /tmp/other "$device" || fail "the new disk holds something else"
disconnect
outer untouched
