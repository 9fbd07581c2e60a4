# The log pages tell what happened: SMART counts I/O, the error log holds a failed read.
# Firmware and effects logs are there, an unknown page and command are refused.
. /run/testbed/guest.sh
connect

step smart-log
smart() { nvme smart-log "/dev/$controller" > /tmp/smart || fail "smart-log"; field "$1" /tmp/smart | tr -d ,; }
expect critical_warning "$(smart critical_warning)" 0
writes=$(smart host_write_commands)
units=$(smart 'Data Units Written'); units=${units%% *}
dd if=/dev/zero of="$device" bs=64k count=80 oflag=direct status=none || fail "dd"
expect_at_least "host_write_commands after 80 writes" "$(smart host_write_commands)" $((writes + 80))
after=$(smart 'Data Units Written'); after=${after%% *}
expect_at_least "data units written after 5 MiB" "$after" $((units + 10))
cat /tmp/smart

step error-log
errors=$(smart num_err_log_entries)
# The last block and one more; through passthru, for the block layer knows the size.
refused /tmp/out nvme read "$device" --start-block=131071 --block-count=1 --data-size=1024
grep -qiE 'LBA.?(Out.?of.)?Range|0x(40)?80|capacity' /tmp/out || fail "a read beyond the end: $(cat /tmp/out)"
nvme error-log "/dev/$controller" -e 4 > /tmp/errors || fail "error-log"
cat /tmp/errors
if [ "$KIND" = capsuled ]; then
  expect "error log entries more" "$(($(smart num_err_log_entries) - errors))" 1
fi
expect_at_least "error_count of the newest entry" "$(field error_count /tmp/errors)" 1
grep -qiE 'LBA.?(Out.?of.)?Range|capacity' /tmp/errors || fail "the error log does not name the status"

step fw-log
nvme fw-log "/dev/$controller" > /tmp/fw || fail "fw-log"
cat /tmp/fw
expect afi "$(field afi /tmp/fw)" 0x1
fr=$(nvme id-ctrl "/dev/$controller" | sed -n 's/^fr *: *//p' | sed 's/ *$//')
grep -q "$fr" /tmp/fw || fail "the running revision $fr is not in the firmware log"

step effects-log
nvme effects-log "/dev/$controller" > /tmp/effects || fail "effects-log"
cat /tmp/effects
for name in Identify 'Keep Alive' Read Write Flush; do
  grep -qE "\($name\).*CSUPP\+|\($name\).*0*1$|$name" /tmp/effects || fail "effects-log without $name"
done

step "unknown page, unknown command"
refused /tmp/out nvme get-log "/dev/$controller" --log-id=0xdf --log-len=512
grep -qiE 'INVALID.LOG|0x(4)?109|Invalid.Field|0x(40)?02' /tmp/out || fail "an unknown log page: $(cat /tmp/out)"
refused /tmp/out nvme admin-passthru "/dev/$controller" --opcode=0x7e
grep -qiE 'INVALID.(COMMAND.)?OPCODE|0x(40)?01|not valid' /tmp/out || fail "an unknown command: $(cat /tmp/out)"
disconnect
