#!/bin/sh
# sysmgr host agent, protocol 1: does one step of an upgrade on this host. See docs/host-script.md.
# Each step: lock, fence, work that may be repeated, markers synced to disk, and only then an answer.
set -u
umask 022
LC_ALL=C
PATH="${PATH:-}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export LC_ALL PATH

PROTOCOL=1
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
# A single name that may become a file's name.
component() {
    plain "$1"
    case $1 in
        . | .. | -* | */*) usage "bad name $1" ;;
    esac
}

# keep FILE: write stdin to FILE so that it is there whole or not at all, also after a power cut.
keep() {
    cat >"$1.new" && sync_path "$1.new" && mv -f "$1.new" "$1" && sync_path "$(dirname "$1")" \
        || fail 15 io_error "cannot write $1"
}
sync_path() { sync "$1" 2>>"$LOG" || sync; }

# mark STEP STATE: started, effect, verified, done; the last one told is the state.
mark() { printf '%s\n' "$2" | keep "$TASK_DIR/$1.mark" || exit 15; }
state() { [ ! -f "$TASK_DIR/$1.mark" ] || cat "$TASK_DIR/$1.mark"; }
is_done() { [ "$(state "$1")" = "done" ]; }
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

take_lock() {
    exec 9>>"$STATE/lock" || fail 15 io_error "cannot write $STATE/lock"
    flock -w "${SYSMGR_LOCK_SECONDS:-60}" 9 || fail 13 lock_busy "another step holds this host"
}

# check_fence CLUSTER TERM: under the lock. Another cluster and a lower term are refused, a higher one is kept.
check_fence() {
    if [ -f "$STATE/fence" ]; then
        read -r owner highest <"$STATE/fence" || fail 15 io_error "cannot read the fence"
        [ "$owner" = "$1" ] || fail 12 foreign_cluster "$owner"
        [ "$2" -ge "$highest" ] || fail 11 fenced "$highest"
        [ "$2" -gt "$highest" ] || return 0
    fi
    printf '%s %s\n' "$1" "$2" | keep "$STATE/fence" || exit 15
}

begin_task() {
    component "$1"
    component "$2"
    TASK=$1
    SERVICE=$2
    TASK_DIR=$STATE/tasks/$TASK
    mkdir -p "$TASK_DIR" || fail 15 io_error "cannot make $TASK_DIR"
    LOG=$TASK_DIR/log
    if [ -f "$LOG" ] && [ "$(wc -c <"$LOG")" -gt 65536 ]; then
        tail -c 32768 "$LOG" >"$LOG.new" && mv -f "$LOG.new" "$LOG"
    fi
    printf -- '--- %s\n' "$STEP" >>"$LOG" || fail 15 io_error "cannot write $LOG"
}
