# Linux's own NVMe/TCP target with two subsystems of one RAM disk each, for an
# outer host (--forward PORT:4420). Runs until the guest is ended.
. /usr/share/testbed/testbed.sh
modprobe brd rd_nr=2 rd_size=65536 || exit
nvmet_up nqn.2026-11.test.capsuled:one /dev/ram0 4420 0.0.0.0 || exit
nvmet_up nqn.2026-11.test.capsuled:two /dev/ram1 4420 0.0.0.0 || exit
echo ready
exec sleep 600
