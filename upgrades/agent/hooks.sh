# Hooks: the commands that a manifest names, run in a release's own folder.

has_hook() { grep -q "^H $1 " "$TASK_DIR/spec"; }
hook_seconds() { sed -n "s/^H $1 \([0-9]*\) .*/\1/p" "$TASK_DIR/spec"; }

# run_hook NAME SECONDS: 0 if it succeeded; 124 (or 137) if it ran too long. Its output goes to the log; a daemon
# that it leaves behind must hold neither the lock nor our pipes.
run_hook() {
    hook=$1
    seconds=$2
    head=$(sed -n "s/^H $hook //p" "$TASK_DIR/spec")
    # shellcheck disable=SC2086 # three words without blanks: seconds, user, folder
    set -- $head
    user=$2
    folder=$ROOT/$SERVICE/current/$3
    sed -n "/^H $hook /,/^[HF.]/s/^A //p" "$TASK_DIR/spec" | sed -n '/^H /!p' >"$TASK_DIR/argv"
    set --
    while IFS= read -r word; do
        set -- "$@" "$word"
    done <"$TASK_DIR/argv"
    if [ "$user" != - ] && [ "$user" != "$(id -un)" ]; then
        if command -v runuser >/dev/null; then
            set -- runuser -u "$user" -- "$@"
        elif command -v setpriv >/dev/null; then
            set -- setpriv --reuid "$user" --regid "$user" --init-groups "$@"
        else
            printf 'cannot become %s: neither runuser nor setpriv\n' "$user" >>"$LOG"
            return 126
        fi
    fi
    (
        cd -P "$folder" || exit 127
        SYSMGR_ROOT=$ROOT SYSMGR_SERVICE=$SERVICE SYSMGR_VERSION=$(current_version)
        SYSMGR_RELEASE=$(cd -P "$ROOT/$SERVICE/current" && pwd)
        export SYSMGR_ROOT SYSMGR_SERVICE SYSMGR_VERSION SYSMGR_RELEASE
        exec timeout -k 5 "$seconds" "$@" </dev/null 9>&-
    ) >>"$LOG" 2>&1 9>&-
    code=$?
    printf 'hook %s: exit %s\n' "$hook" "$code" >>"$LOG"
    return "$code"
}
# must_run NAME: run a hook and refuse to go on when it failed.
must_run() {
    run_hook "$1" "$(hook_seconds "$1")" && return 0
    case $code in
        124 | 137) fail 19 hook_timeout "$1" ;;
        *) fail 18 hook_failed "$1 exit $code" ;;
    esac
}
# wait_for NAME WANTED: repeat a check until it says yes (WANTED=0) or no (WANTED=1), within its time limit.
wait_for() {
    limit=$(hook_seconds "$1")
    until_time=$(($(date +%s) + limit))
    while :; do
        left=$((until_time - $(date +%s)))
        [ "$left" -ge 1 ] || left=1
        if run_hook "$1" "$left"; then answered=0; else answered=1; fi
        [ "$answered" != "$2" ] || return 0
        [ "$(date +%s)" -lt "$until_time" ] || return 1
        sleep 1
    done
}
# stop_service: after `stop`, `status` must say no: else the old process still runs, whatever stop answered.
stop_service() {
    has_hook stop || return 0
    run_hook stop "$(hook_seconds stop)" || return 1
    ! has_hook status || wait_for status 1
}
# start_service: not a second time when an interrupted step has started it already.
start_service() {
    has_hook start || return 0
    if has_hook status && run_hook status "$(hook_seconds status)"; then
        return 0
    fi
    run_hook start "$(hook_seconds start)"
}
