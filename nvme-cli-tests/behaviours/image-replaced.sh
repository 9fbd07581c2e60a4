# An image that is replaced by `mv` is another disk for hosts, once the operator allows it: until then the old one is served, and nothing of it is written into the new one.
# needs: capsuled
# timeout: 120
. /run/testbed/guest.sh
connect -i 1 -W 1 --reconnect-delay=1 --ctrl-loss-tmo=60
old_uuid=$(uuid_of "$device")
step "a file system in use"
files_begin

step "the image is replaced"
outer replace
outer reload-refused
outer plan
files_go_on
expect "the UUID" "$(uuid_of "$device")" "$old_uuid"
outer untouched

step "the operator allows it"
outer apply
files_end

step "the new image is there as another disk"
wait_until 20 "another disk" another_disk "$old_uuid"
size=$(blockdev --getsize64 "$device")
expect "its size" "$size" $((64 << 20))
yes "$(outer words)" | head -c "$size" > /tmp/other
cmp /tmp/other "$device" || fail "the new disk holds something else"
disconnect
outer untouched
