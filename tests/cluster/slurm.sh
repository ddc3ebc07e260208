#!/usr/bin/env bash
# Brings up a Slurm of this one machine, and takes it down again: tests/cluster/slurm.sh up|down
# As root, on Debian or Ubuntu: apt-get install slurm-wlm munge. Overwrites /etc/slurm/slurm.conf, which jobs of Snakemake's plugin read
# there and nowhere else; refuses to where there is one that it did not write.
set -euo pipefail

conf=/etc/slurm/slurm.conf
mark="# written by tests/cluster/slurm.sh"
place=/var/tmp/gof-slurm

down() {
    for name in slurmd slurmctld munged; do
        if [ -f "$place/$name.pid" ]; then
            kill "$(cat "$place/$name.pid")" 2>/dev/null || true
        fi
    done
    sleep 1
    rm -rf "$place"
    if [ -f "$conf" ] && head -1 "$conf" | grep -qF "$mark"; then rm "$conf"; fi
}

up() {
    for program in munged slurmctld slurmd sbatch; do
        command -v "$program" >/dev/null || { echo "no $program: apt-get install slurm-wlm munge" >&2; exit 4; }
    done
    if [ -f "$conf" ] && ! head -1 "$conf" | grep -qF "$mark"; then
        echo "$conf: is another cluster's: not touched" >&2
        exit 3
    fi
    down
    mkdir -p "$place/state" "$place/spool" "$place/munge" /etc/slurm
    [ -s /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none; }
    chown -R munge:munge "$place/munge" /etc/munge
    chmod 400 /etc/munge/munge.key
    mkdir -p /run/munge && chown munge:munge /run/munge && chmod 755 /run/munge
    runuser -u munge -- munged --force --pid-file="$place/munge/munged.pid" --log-file="$place/munge/log" \
        --seed-file="$place/munge/seed"
    cp "$place/munge/munged.pid" "$place/munged.pid"
    cat > "$conf" <<EOF
$mark
ClusterName=one
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
SlurmctldPort=26817
SlurmdPort=26818
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.pid
SlurmctldLogFile=$place/slurmctld.log
SlurmdLogFile=$place/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MpiDefault=none
KillWait=10
InactiveLimit=0
SchedulerParameters=sched_interval=1
NodeName=localhost NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=2000000 State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP
EOF
    sed -i "s/RealMemory=[0-9]*/RealMemory=$(free -m | awk '/^Mem/ {print $2 - 512}')/" "$conf"
    slurmctld
    slurmd -N localhost
    for _ in $(seq 30); do
        if [ "$(sinfo -h -o %t 2>/dev/null)" = idle ]; then
            return
        fi
        sleep 1
    done
    sinfo >&2 || true
    tail -5 "$place"/*.log >&2
    exit 4
}

case "${1:-}" in
up) up ;;
down) down ;;
*) sed -n '2,4s/^# //p' "$0" >&2; exit 2 ;;
esac
