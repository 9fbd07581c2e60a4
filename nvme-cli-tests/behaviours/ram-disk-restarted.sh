# A RAM disk that is empty after a restart is another disk: the file system that was mounted on the old one fails, and writes nothing into it.
# needs: capsuled
# timeout: 120
. /run/testbed/guest.sh
connect -i 1 -W 1 --reconnect-delay=1 --ctrl-loss-tmo=60
old_uuid=$(uuid_of "$device")

step "a file system in use"
files_begin

step "the daemon starts again"
outer restart
wait_until 30 "the host is back" is_live
files_end

step "the empty disk is there as another one"
wait_until 20 "another disk" another_disk "$old_uuid"
size=$(blockdev --getsize64 "$device")
expect "its size" "$size" $((64 << 20))
cmp -n "$size" "$device" /dev/zero || fail "something was written into the empty disk"
disconnect
