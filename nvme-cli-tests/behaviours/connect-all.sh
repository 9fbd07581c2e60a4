# `nvme connect-all` connects every subsystem that discovery lists, with nvme-cli 2.3 and 2.13.
# Target and host are in one guest, because the host connects to the addresses
# that discovery gives. nvme-cli 2.3 (Debian 12, RHEL 9) takes an entry whose
# secure channel is "not required" for one that demands TLS.
# needs: capsuled
# target: guest
# timeout: 150
. /run/testbed/guest.sh
step "the daemon starts"
daemon_start
subsystems="nqn.2026-11.test.capsuled:one nqn.2026-11.test.capsuled:two"

# connected NQN
connected() { [ "$(controller_of "$1")" ]; }

# connect_all PROGRAM VERSION
connect_all() {
  step "$1 connect-all"
  into /tmp/version "$1" version
  grep -q "^nvme version $2 " /tmp/version || fail "$1 is $(head -n 1 /tmp/version), not $2"
  into /tmp/connect-all "$1" connect-all -t tcp -a $address -s "$DISCOVERY_PORT"
  for nqn in $subsystems; do
    connected "$nqn" || fail "$1 connect-all left $nqn out: $(cat /tmp/connect-all)"
    device=$(nvme_wait "$nqn") || fail "no device of $nqn"
    controller=$(controller_of "$nqn")
    expect "the transport address" "$(sed 's/,src_addr.*//' "/sys/class/nvme/$controller/address")" \
      "traddr=127.0.0.1,trsvcid=$(port_of_daemon "$nqn")"
    fio_verify --bs=4k --size=256k --iodepth=4
  done
  into /tmp/disconnect "$1" disconnect-all
  wait_until 60 "no controller left" no_controllers
}

# port_of_daemon NQN  as the ready line has it
port_of_daemon() {
  sed -n 's/.*"connect":\[\([^]]*\)\].*/\1/p' /tmp/daemon.log | tr ',' '\n' | tr -d '"' |
    sed -n "s/.* -s \([0-9]*\) -n $1\$/\1/p"
}

connect_all nvme 2.3
connect_all nvme-trixie 2.13
daemon_stop
