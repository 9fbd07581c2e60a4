# A disk of another target, handed on, is a disk like any other: verified, through the death of that target and of a path to it,
# and where that is Linux's, through changes of access (ANA), its hosts see a pause and no error.
# needs: capsuled
# target: guest
# timeout: 120
. /run/testbed/guest.sh
modprobe brd rd_nr=2 rd_size=32768 || fail "modprobe brd"
modprobe -a nvmet nvmet-tcp || fail "modprobe nvmet"
nvmet=/sys/kernel/config/nvmet
far_nqn=nqn.2026-11.test.capsuled:far
linux_nqn=nqn.2026-11.test.linux:far
cat > /tmp/far.yaml <<EOF
version: 1
engine: { reactors: 1, memory: 64MiB }
state_directory: /tmp/far
admin: { listen: '127.0.0.1:9930' }
discovery: { listeners: [] }
bdevs: [{ name: ram0, kind: uring, path: /dev/ram0 }]
subsystems:
  - nqn: $far_nqn
    allow_any_host: true
    listeners:
      - { transport: tcp, address: 127.0.0.1, port: 4501 }
      - { transport: tcp, address: 127.0.0.2, port: 4502 }
    namespaces: [{ nsid: 1, bdev: ram0 }]
log: { format: json }
EOF
cp /tmp/far.yaml /run/testbed/far.yaml
far_start() {
  in-host -C /tmp "$NODE" "$MAIN" serve --config /run/testbed/far.yaml > /tmp/far.log 2>&1 &
  far=$!
  far_ready() {
    kill -0 $far 2> /dev/null || fail "the far daemon ended: $(tail -n 20 /tmp/far.log)"
    grep -qs '"msg":"ready"' /tmp/far.log
  }
  wait_until 900 "the far daemon is ready" far_ready
}
# live_paths BDEV N  whether that many paths of it are live
live_paths() {
  http_get "$ADMIN_PORT" /metrics > /tmp/paths || fail "GET /metrics"
  [ "$(grep -c "^capsuled_nvmf_path_state{bdev=\"$1\",.*state=\"live\"} 1" /tmp/paths)" = "$2" ]
}
bdevs() { http_get "$ADMIN_PORT" /v1/bdevs; }

step "the far targets"
far_start
nvmet_up $linux_nqn /dev/ram1 4601
mkdir $nvmet/ports/4602 && cd $nvmet/ports/4602 || fail "nvmet"
echo ipv4 > addr_adrfam; echo tcp > addr_trtype; echo 127.0.0.2 > addr_traddr; echo 4602 > addr_trsvcid
ln -s $nvmet/subsystems/$linux_nqn subsystems/$linux_nqn || fail "nvmet's second port"
cd /
step "the daemon"
daemon_start
connect
present() { one=$(device_of 1) && two=$(device_of 2); }
wait_until 60 "both disks appear" present

step "verified"
device=$one
for size in 512 64k 1M; do fio_verify --bs=$size --iodepth=8 --size=2M; done
device=$two
fio_verify --bs=4k-128k --iodepth=16 --size=4M
load_begins /tmp/load1 --filename="$one" --bs=4k-64k --size=8M --iodepth=8 && load1=$load
load_begins /tmp/load2 --filename="$two" --bs=4k --size=8M --iodepth=8 && load2=$load
sleep 1
step "one far target is killed, and comes back"
kill -9 $far
wait_until 30 "both paths are lost" live_paths far0 0
far_start
wait_until 120 "both paths are live" live_paths far0 2
before=$(completed "$one")
wait_until 60 "I/O goes on" completed_over "$one" $((before + 20))
load_goes_on /tmp/load1 $load1
step "the other one's first port goes"
rm $nvmet/ports/4601/subsystems/$linux_nqn || fail "rm"
wait_until 30 "the path is lost" live_paths far1 1
step "that is noticed"
before=$(completed "$two")
wait_until 10 "I/O goes on" completed_over "$two" $((before + 20))
step "I/O goes on by the second"
ln -s $nvmet/subsystems/$linux_nqn $nvmet/ports/4601/subsystems/$linux_nqn || fail "ln"
wait_until 120 "it is back" live_paths far1 2
step "access changes"
echo inaccessible > $nvmet/ports/4601/ana_groups/1/ana_state
says_inaccessible() { bdevs | grep -q '"access":"inaccessible"'; }
wait_until 30 "it is seen" says_inaccessible
before=$(completed "$two")
wait_until 10 "I/O goes on" completed_over "$two" $((before + 20))
echo non-optimized > $nvmet/ports/4601/ana_groups/1/ana_state
echo inaccessible > $nvmet/ports/4602/ana_groups/1/ana_state
says_non_optimized() { bdevs | grep -q '"access":"non_optimized"'; }
wait_until 30 "it is seen" says_non_optimized
before=$(completed "$two")
wait_until 10 "I/O goes on" completed_over "$two" $((before + 20))
load_ends /tmp/load1 $load1
load_ends /tmp/load2 $load2
expect "state" "$(state)" live
disconnect
daemon_stop
kill -TERM $far
nvmet_down
