# A connect to a subsystem that does not exist fails, and the host is told which field was wrong.
. /run/testbed/guest.sh
refused /tmp/out nvme connect -t tcp -a $address -s "$PORT" -n nqn.2026-11.test.capsuled:missing
cat /tmp/out
dmesg | grep -q 'Connect Invalid Data Parameter, subsysnqn' ||
  fail "the kernel was not told that the subsystem's name is wrong"
no_controllers || fail "a controller is left"
connect
disconnect
