# `nvme discover` lists every subsystem with the address and port to connect to.
# Asked on the discovery port and on a subsystem's own listener alike, and with
# the same generation counter while nothing changes.
. /run/testbed/guest.sh

# entry NQN FIELD  from the last answer
entry() {
  awk -v nqn="$1" -v f="$2" '
    /^=====/ { if (e["subnqn"] == nqn) exit; delete e }
    /: / { k = $1; sub(/:$/, "", k); v = $0; sub(/^[^:]*: */, "", v); e[k] = v }
    END { if (e["subnqn"] == nqn) print e[f] }' /tmp/log
}

for port in "$DISCOVERY_PORT" "$PORT"; do
  step "discover on port $port"
  into /tmp/log nvme discover -t tcp -a $address -s "$port"
  for nqn in nqn.2026-11.test.capsuled:one nqn.2026-11.test.capsuled:two; do
    expect "trtype of $nqn" "$(entry $nqn trtype)" tcp
    expect "adrfam of $nqn" "$(entry $nqn adrfam)" ipv4
    expect "subtype of $nqn" "$(entry $nqn subtype)" "nvme subsystem"
    expect "traddr of $nqn" "$(entry $nqn traddr)" "$TRADDR"
    expect "trsvcid of $nqn" "$(entry $nqn trsvcid)" "$(port_of $nqn)"
  done
  head -n 2 /tmp/log
  counter=$(sed -n 's/.*Generation counter \([0-9]*\).*/\1/p' /tmp/log)
  [ "$counter" ] || fail "no generation counter"
  expect "the generation counter" "$counter" "${first:=$counter}"
done
wait_until 5 "no discovery controller left" no_controllers
