# The log pages tell what happened: SMART counts I/O, the error log holds a failed read.
# Firmware and effects logs are there, an unknown page and command are refused.
. /run/testbed/guest.sh
connect

step smart-log
smart() {
  into /tmp/smart nvme smart-log "/dev/$controller"
  field "$1" /tmp/smart | tr -d ,
}
expect critical_warning "$(smart critical_warning)" 0
writes=$(smart host_write_commands)
units=$(smart 'Data Units Written'); units=${units%% *}
dd if=/dev/zero of="$device" bs=64k count=80 oflag=direct status=none || fail "dd"
after=$(smart 'Data Units Written'); after=${after%% *}
if [ "$KIND" = capsuled ]; then # Linux does not count on a RAM disk
  expect "host_write_commands after 80 writes" "$(smart host_write_commands)" $((writes + 80))
  expect_at_least "data units written after 5 MiB" "$after" $((units + 10))
fi
cat /tmp/smart

step error-log
errors=$(smart num_err_log_entries)
# The last block and one more; through passthru, for the block layer knows the size.
refused /tmp/out nvme read "$device" --start-block=131071 --block-count=1 --data-size=1024
range='LBA Out of Range'
[ "$KIND" = nvmet ] && range='Internal Error' # is what it says
grep -q "$range" /tmp/out || fail "a read beyond the end: $(cat /tmp/out)"
nvme error-log "/dev/$controller" -e 4 > /tmp/errors || fail "error-log"
cat /tmp/errors
expect_at_least "error log entries" "$(smart num_err_log_entries)" $((errors + 1))
expect_at_least "error_count of the newest entry" "$(field error_count /tmp/errors)" 1
field status_field /tmp/errors | grep -q "$range" || fail "the newest entry has another status"
expect "lba of the newest entry" "$(field lba /tmp/errors)" 0x1ffff
expect "nsid of the newest entry" "$(field nsid /tmp/errors)" 0x1

step fw-log
nvme fw-log "/dev/$controller" > /tmp/fw || fail "fw-log"
cat /tmp/fw
if [ "$KIND" = capsuled ]; then
  expect afi "$(field afi /tmp/fw)" 0x1
  nvme id-ctrl "/dev/$controller" > /tmp/ctrl || fail "id-ctrl"
  grep -qF "$(field fr /tmp/ctrl)" /tmp/fw || fail "the running revision is not in the firmware log"
fi

step effects-log
nvme effects-log "/dev/$controller" --csi=0 > /tmp/effects || fail "effects-log"
cat /tmp/effects
for name in 'Get Log Page' Identify 'Set Features' 'Asynchronous Event Request' 'Keep Alive' \
  Flush Read; do
  grep -qE "\[$name +\] [0-9a-f]{7}[13579bdf]$" /tmp/effects || fail "$name is not supported"
done
grep -qE '\[Write +\] [0-9a-f]{7}[37bf]$' /tmp/effects || fail "Write does not change blocks"

step "unknown page, unknown command"
refused /tmp/out nvme get-log "/dev/$controller" --log-id=0xdf --log-len=512
grep -qE 'Invalid (Log Page|Field)' /tmp/out || fail "an unknown log page: $(cat /tmp/out)"
refused /tmp/out nvme admin-passthru "/dev/$controller" --opcode=0x7e
grep -q 'Invalid Command Opcode' /tmp/out || fail "an unknown command: $(cat /tmp/out)"
disconnect
