#!/bin/sh
# Infrastructure health check: disk, memory, and whether the service runs.
#
# Prints one line and ends with the exit code of a monitoring plugin:
#   0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (a figure could not be read, or a wrong option)
# Needs a POSIX shell and awk; takes procps, busybox or bare /proc as it finds them.

set -u
LC_ALL=C
export LC_ALL

disk_path=${HEALTH_DISK_PATH:-/}
disk_critical=${HEALTH_DISK_CRITICAL:-90}
memory_warning=${HEALTH_MEMORY_WARNING:-90}
process=${HEALTH_PROCESS-genrf}
meminfo=${HEALTH_MEMINFO:-/proc/meminfo}
df_timeout=${HEALTH_DF_TIMEOUT:-10}
self=${0##*/}
[ -f "$0" ] || self=health_check # read from a pipe, $0 is only the shell

usage() {
    cat <<USAGE
usage: ${0##*/} [-p PATH] [-d PERCENT] [-m PERCENT] [-s PATTERN] [-n] [-h]
  -p PATH     file system to check                  (HEALTH_DISK_PATH, /)
  -d PERCENT  CRITICAL above this use of the disk   (HEALTH_DISK_CRITICAL, 90)
  -m PERCENT  WARNING above this use of memory      (HEALTH_MEMORY_WARNING, 90)
  -s PATTERN  command line of the service (grep -E) (HEALTH_PROCESS, genrf)
  -n          do not look for a service             (HEALTH_PROCESS empty)
  -h          this text
USAGE
}

finish() { # CODE MESSAGE
    printf '%s\n' "$2"
    exit "$1"
}

is_percent() {
    case $1 in
        '' | *[!0-9]* | ????*) return 1 ;;
    esac
    [ "$1" -le 100 ]
}

# Runs a command, for at most $df_timeout seconds where the machine can limit it: df waits for
# ever on a file server that is gone.
limited() {
    if timeout "$df_timeout" true >/dev/null 2>&1; then
        timeout "$df_timeout" "$@"
    else
        "$@"
    fi
}

# Prints the use of the file system of $1 in percent. A long device name breaks the line in
# two where df knows no -P, so the first word that is a percentage counts, on any line.
disk_usage() {
    table=$(limited df -P "$1" 2>/dev/null)
    case $? in
        0) ;;
        124 | 143) return ;; # timed out, and would again
        *) table=$(limited df -k "$1" 2>/dev/null) || return ;;
    esac
    printf '%s\n' "$table" | awk '
        NR > 1 {
            for (i = 1; i <= NF; i++)
                if ($i ~ /^[0-9]+%$/) { sub(/%/, "", $i); print $i; exit }
        }'
}

# Prints memory in use in percent: what is not available, so that caches do not count.
memory_usage() {
    usage=$(memory_of_free)
    [ -n "$usage" ] || usage=$(memory_of_kernel)
    printf '%s\n' "$usage"
}

memory_of_free() {
    command -v free >/dev/null 2>&1 || return
    free 2>/dev/null | awk '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i + 1 }
        $1 == "Mem:" && $2 > 0 {
            # Old versions have no estimate of their own; a column that is missing adds nothing.
            left = ("available" in column) ? $column["available"] \
                : value("free") + value("buffers") + value("cached") + value("buff/cache")
            printf "%.0f\n", ($2 - left) * 100 / $2
            exit
        }
        function value(name) { return (name in column) ? $column[name] : 0 }'
}

memory_of_kernel() {
    [ -r "$meminfo" ] || return
    awk '
        { kib[$1] = $2 }
        END {
            total = kib["MemTotal:"]
            # Kernels before 3.14 have no estimate of their own.
            free = ("MemAvailable:" in kib) ? kib["MemAvailable:"] \
                : kib["MemFree:"] + kib["Buffers:"] + kib["Cached:"] - kib["Shmem:"]
            if (total > 0) printf "%.0f\n", (total - free) * 100 / total
        }' "$meminfo"
}

# Prints the command line of process $1; nothing if it is gone or a zombie.
command_line() {
    if [ -r "/proc/$1/cmdline" ]; then
        tr '\0\n' '  ' <"/proc/$1/cmdline" 2>/dev/null
    elif [ ! -d /proc/self ]; then
        ps -ww -o args= -p "$1" 2>/dev/null
    fi
}

# Prints the processes that may match $1.
candidates() {
    if command -v pgrep >/dev/null 2>&1; then
        pgrep -f -- "$1"
        [ $? -lt 2 ]
        return
    fi
    [ -d /proc/self ] || return 1
    for directory in /proc/[0-9]*; do
        printf '%s\n' "${directory#/proc/}"
    done
}

# Succeeds if a process matches $1 that is neither this script nor one that started it (sh -c,
# sudo, cron): those name the script, and the pattern with it, on their own command line.
is_running() {
    found=$(candidates "$1") || return 2
    for pid in $found; do
        [ "$pid" = "$$" ] && continue
        line=$(command_line "$pid")
        case $line in
            '' | *"$self"* | *health_check*) continue ;;
        esac
        printf '%s\n' "${line% }" | grep -E -q -e "$1" && return 0
    done
    return 1
}

while getopts p:d:m:s:nh option; do
    case $option in
        p) disk_path=$OPTARG ;;
        d) disk_critical=$OPTARG ;;
        m) memory_warning=$OPTARG ;;
        s) process=$OPTARG ;;
        n) process= ;;
        h)
            usage
            exit 0
            ;;
        *)
            usage >&2
            exit 3
            ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || finish 3 "UNKNOWN: unexpected argument $1"
is_percent "$disk_critical" || finish 3 "UNKNOWN: '$disk_critical' is not a percentage"
is_percent "$memory_warning" || finish 3 "UNKNOWN: '$memory_warning' is not a percentage"

disk=$(disk_usage "$disk_path")
is_percent "$disk" || finish 3 "UNKNOWN: df gives no usage of $disk_path"
if [ "$disk" -gt "$disk_critical" ]; then
    finish 2 "CRITICAL: Disk usage at ${disk}%"
fi

# A service that is down matters more than memory that is short, so it is looked at before.
running=0
if [ -n "$process" ]; then
    is_running "$process"
    running=$?
fi
if [ "$running" -eq 1 ]; then
    [ "$process" = genrf ] && finish 2 "CRITICAL: GenRF service not running"
    finish 2 "CRITICAL: no process matches '$process'"
fi

memory=$(memory_usage)
is_percent "$memory" || finish 3 "UNKNOWN: no memory figures"
if [ "$memory" -gt "$memory_warning" ]; then
    finish 1 "WARNING: Memory usage at ${memory}%"
fi
[ "$running" -eq 0 ] || finish 3 "UNKNOWN: processes cannot be listed"

finish 0 "OK: All health checks passed"
