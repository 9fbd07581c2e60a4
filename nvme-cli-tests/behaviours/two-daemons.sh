# Two daemons with the same configuration are two disks for a host that connects to both, never two paths of one.
# needs: capsuled
. /run/testbed/guest.sh
connect
first=$device
into /tmp/write dd if=/dev/urandom of="$first" bs=1M count=1 oflag=direct
into /tmp/before dd if="$first" of=/tmp/first bs=1M count=1 iflag=direct

step "the other one"
port=$(outer start-other)
# Whether it is refused as a whole or only its namespace is the host's to decide.
nvme connect -t tcp -a $address -s "$port" -n "$nqn" > /tmp/connect 2>&1
cat /tmp/connect
paths() { ls -d /sys/block/"${first##*/}"/device/nvme* 2>/dev/null | wc -l; }
wait_until 10 "the host has looked at it" sh -c \
  'dmesg | grep -Eq "IDs don.t match|Duplicate cntlid|duplicate IDs" || ls -d /sys/class/nvme/nvme1'
sleep_until_scanned() { dmesg | grep -Eq "IDs don.t match|Duplicate cntlid|duplicate IDs"; }
wait_until 10 "the host refuses to join them" sleep_until_scanned
dmesg | grep -E "IDs don.t match|Duplicate cntlid|duplicate IDs" | tail -n 2

step "the first dies"
outer stop-first
# Nothing may be read with success that was not written there. A read waits while the host tries to
# connect again; what it had for a second path would answer at once.
dd if="$first" of=/tmp/after bs=1M count=1 iflag=direct status=none 2>/tmp/read &
read_pid=$!
wait_until 20 "the host misses the first" sh -c 'grep -q connecting /sys/class/nvme/nvme*/state'
nvme disconnect -n "$nqn" > /tmp/disconnect
wait_until 20 "no controller left" no_controllers
if wait $read_pid; then cmp /tmp/first /tmp/after || fail "another disk answered"; fi
outer start-first
