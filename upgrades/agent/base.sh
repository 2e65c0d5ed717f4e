#!/bin/sh
# sysmgr host agent, protocol 2: does one step of an upgrade on this host. See docs/host-script.md.
# Each step: lock, fence, work that may be repeated, markers synced to disk, and only then an answer.
set -u
umask 077
LC_ALL=C
PATH="${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export LC_ALL PATH
# A caller's environment must change neither what tar packs nor what cd prints.
unset CDPATH GZIP TAR_OPTIONS QUOTING_STYLE POSIXLY_CORRECT

PROTOCOL=2
TASK_DIR=
LOG=/dev/null

# fail CODE REASON DETAIL: the last line of a failing step, and its exit code.
fail() {
    code=$1
    shift
    printf 'error %s\n' "$*"
    exit "$code"
}
usage() { fail 10 usage "$*"; }

# Every argument of a call is checked before it is used.
plain() {
    case $1 in
        '' | *[!A-Za-z0-9._/:@+-]*) usage "bad argument" ;;
    esac
}
# A single name that may become a file's name; hidden ones are this script's own.
component() {
    plain "$1"
    case $1 in
        .* | -* | */*) usage "bad name $1" ;;
    esac
}

# free_kb DIR...: the room on the fullest of their disks; empty when nobody knows. A device's name may hold blanks.
free_kb() {
    df -kP "$@" 2>/dev/null | awk 'NR > 1 {
        free = $4
        for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/) { free = $(i - 1); break }
        if (least == "" || free + 0 < least) least = free + 0
    } END { print least }'
}
# is_full DIR: whether what just failed did so for want of room.
is_full() {
    free=$(free_kb "$1")
    [ "${free:-65}" -le 64 ] || awk '/^--- / {full = 0}
        /No space left|quota exceeded/ {full = 1} END {exit !full}' "$LOG"
}
# full_or_io DIR TEXT [PATH...]: tell a full disk from any other failure to write, and remove the half-done PATHs.
full_or_io() {
    if is_full "$1"; then full=yes; else full=no; fi
    text=$2
    shift 2
    [ $# -eq 0 ] || wipe "$@"
    [ "$full" = no ] || fail 14 no_space "$text"
    fail 15 io_error "$text"
}
# wipe PATH...: remove what is ours. Folders that came out of a backup may be closed even for their owner.
wipe() {
    rm -rf -- "$@" 2>/dev/null && return 0
    find "$@" -type d ! -perm -700 -exec chmod u+rwx {} \; 2>/dev/null
    rm -rf -- "$@" 2>>"$LOG"
}

# sync_path PATH...: a sync that knows no arguments syncs everything; one that failed on PATH is believed.
sync_path() { sync "$@" 2>>"$LOG" || { ! sync "$0" 2>/dev/null && sync; }; }
# keep FILE: write stdin to FILE so that it is there whole or not at all, also after a power cut.
keep() {
    cat >"$1.new" 2>>"$LOG" && sync_path "$1.new" && mv -f "$1.new" "$1" 2>>"$LOG" && sync_path "${1%/*}" \
        || full_or_io "$STATE" "cannot write $1" "$1.new"
}

# mark STEP STATE: started, effect, verified, done; the last one told is the state.
mark() { printf '%s\n' "$2" | keep "$TASK_DIR/$1.mark" || exit; }
# has_mark STEP: whether the step began; is_done STEP: whether it ended well.
has_mark() { [ -s "$TASK_DIR/$1.mark" ]; }
is_done() {
    has_mark "$1" || return 1
    read -r told <"$TASK_DIR/$1.mark"
    [ "$told" = "done" ]
}
# answer STEP: record stdin as the step's result, mark it done, then print it.
answer() {
    keep "$TASK_DIR/$1.result"
    mark "$1" "done"
    cat "$TASK_DIR/$1.result"
}
# replay STEP: a step that is done answers again what it answered, and does nothing.
replay() {
    is_done "$1" || return 1
    cat "$TASK_DIR/$1.result"
    return 0
}
need() { is_done "$1" || usage "step $1 is not done"; }
# A task that has begun to go back never goes forward again.
forward() { ! has_mark rollback || usage "this task was rolled back"; }

# open_lock FILE: whether it can be opened. Asked in a subshell, for at `exec` a failing redirection ends the shell.
open_lock() { (exec 7>>"$1") 2>/dev/null || full_or_io "$STATE" "cannot write $1"; }
# sleeps_parts: not every sleep knows parts of a second.
sleeps_parts() { sleep 0.01 2>/dev/null; }
# lock FD SECONDS: wait for the lock; by counting, for not every flock knows -w, and clocks jump.
lock() {
    ! flock -n "$1" || return 0
    if sleeps_parts; then nap=0.2 tries=$(($2 * 5)); else nap=1 tries=$2; fi
    until flock -n "$1"; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep "$nap"
    done
}
take_lock() {
    open_lock "$STATE/lock"
    exec 9>>"$STATE/lock"
    lock 9 "${SYSMGR_LOCK_SECONDS:-60}" || fail 13 lock_busy "another step holds this host"
}

# check_fence CLUSTER TERM: under the lock. Another cluster and a lower term are refused, a higher one is kept.
check_fence() {
    if [ -f "$STATE/fence" ]; then
        read -r owner highest <"$STATE/fence" || fail 15 io_error "the fence is damaged"
        [ "$owner" = "$1" ] || fail 12 foreign_cluster "$owner"
        [ "$2" -ge "$highest" ] || fail 11 fenced "$highest"
        [ "$2" -gt "$highest" ] || return 0
    fi
    printf '%s %s\n' "$1" "$2" | keep "$STATE/fence" || exit
}

# The reserve is let go where a full disk would keep a new leader or a rollback from writing its markers.
make_reserve() { [ -f "$STATE/reserve" ] || head -c 262144 /dev/urandom | keep "$STATE/reserve" || exit; }
use_reserve() {
    free=$(free_kb "$STATE")
    [ "${free:-256}" -ge 256 ] || rm -f "$STATE/reserve"
}

begin_task() {
    component "$1"
    component "$2"
    TASK=$1
    SERVICE=$2
    TASK_DIR=$STATE/tasks/$TASK
    mkdir -p "$TASK_DIR" 2>/dev/null || full_or_io "$STATE" "cannot make $TASK_DIR"
    LOG=$TASK_DIR/log
    trim_log
    # A step that can do without its log does: the markers tell whether the disk can be written.
    printf -- '--- %s\n' "$STEP" 2>/dev/null >>"$LOG" || LOG=/dev/null
}
trim_log() {
    if [ -f "$LOG" ] && [ "$(wc -c <"$LOG")" -gt 65536 ]; then
        tail -c 32768 "$LOG" >"$LOG.new" && mv -f "$LOG.new" "$LOG"
    fi
}
