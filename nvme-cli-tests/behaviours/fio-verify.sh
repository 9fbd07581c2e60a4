# What fio writes at random it reads back: blocks of 512 bytes to 1 MiB, depth 1 to 64.
# timeout: 90
. /run/testbed/guest.sh
connect
step "one kind after the other"
# Each on a part of its own, so that all is still there for the second look.
cat > /tmp/jobs <<JOBS
[global]
filename=$device
ioengine=libaio
direct=1
rw=randrw
verify=crc32c
verify_fatal=1
do_verify=1
[b512-1]
bs=512
iodepth=1
size=128k
[b512-64]
stonewall
bs=512
iodepth=64
offset=1M
size=512k
[b4k-1]
stonewall
bs=4k
iodepth=1
offset=2M
size=1M
[b4k-16]
stonewall
bs=4k
iodepth=16
offset=4M
size=4M
[b4k-64]
stonewall
bs=4k
iodepth=64
offset=8M
size=4M
[b64k-8]
stonewall
bs=64k
iodepth=8
offset=12M
size=8M
[b1m-1]
stonewall
bs=1M
iodepth=1
offset=20M
size=8M
[b1m-64]
stonewall
bs=1M
iodepth=64
offset=28M
size=24M
[mixed]
stonewall
bsrange=512-256k
blockalign=512
iodepth=32
offset=52M
size=8M
JOBS
into /tmp/fio.out fio --minimal /tmp/jobs
expect "jobs without error" "$(awk -F';' '$5 == 0 && NF > 50' /tmp/fio.out | wc -l)" 9

step "all at once"
sed -i '/^stonewall/d' /tmp/jobs
into /tmp/fio.out fio --minimal /tmp/jobs
expect "jobs without error" "$(awk -F';' '$5 == 0 && NF > 50' /tmp/fio.out | wc -l)" 9
disconnect
