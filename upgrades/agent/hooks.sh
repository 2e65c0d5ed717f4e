# Hooks: the commands that a manifest names, run in a release's own folder.

# hook_set: whose commands apply, as $set: of a restore, those known for the release that `current` names.
hook_set() {
    side='' set=$TASK_DIR/spec
    [ -f "$TASK_DIR/hooks.new" ] || return 0
    if [ "$(current_version)" = "$NEW" ]; then side=new.; else side=old.; fi
    set=$TASK_DIR/hooks.${side%.}
}
has_hook() { hook_set && grep -q "^H $1 " "$set"; }
hook_seconds() { hook_set && sed -n "s/^H $1 \([0-9]*\) .*/\1/p" "$set"; }
longest_hook() {
    set -- "$TASK_DIR/spec"
    [ ! -f "$TASK_DIR/hooks.new" ] || set -- "$TASK_DIR/hooks.old" "$TASK_DIR/hooks.new"
    awk '/^H / && $3 > most {most = $3} END {print most + 0}' "$@"
}

# can_become USER: whether a hook may run as USER: asked before anything changes.
can_become() {
    [ "$1" != - ] && [ "$1" != "$(id -un)" ] || return 0
    [ "$(id -u)" -eq 0 ] && id -u "$1" >/dev/null 2>&1 || return 1
    command -v runuser >/dev/null || setpriv --reuid 0 true 2>/dev/null
}
# keep_hooks FILE SIDE: the words of each command that FILE names, a line each; their users must be there.
keep_hooks() {
    for user in $(sed -n 's/^H [a-z]* [0-9]* \([^ ]*\) .*/\1/p' "$1"); do
        can_become "$user" || fail 18 hook_failed "cannot become $user"
    done
    for hook in $(sed -n 's/^H \([a-z]*\) .*/\1/p' "$1"); do
        sed -n "/^H $hook /,/^[HF.]/s/^A //p" "$1" | keep "$TASK_DIR/argv.$2$hook" || exit
    done
}
# hold_hooks: a call that was killed leaves its hook running. Its `timeout` still holds this lock, so that a second
# call waits for the hook's end instead of starting (or stopping) the service beside it.
hold_hooks() {
    open_lock "$STATE/hooks.$SERVICE"
    exec 8>>"$STATE/hooks.$SERVICE"
    lock 8 "$(($(longest_hook) + 10))" || fail 13 lock_busy "a command of an earlier call still runs"
}

# run_hook NAME SECONDS: 0 if it succeeded; 124, 137 or 143 if it ran too long. Only the end of its output goes to the
# log; a daemon that it leaves behind holds neither a lock nor our pipes.
run_hook() {
    hook=$1
    seconds=$2
    hook_set
    head=$(sed -n "s/^H $hook //p" "$set")
    # shellcheck disable=SC2086 # three words without blanks: seconds, user, folder
    set -- $head
    user=$2
    folder=$ROOT/$SERVICE/current/$3
    set --
    while IFS= read -r word; do
        set -- "$@" "$word"
    done <"$TASK_DIR/argv.$side$hook"
    if [ "$user" != - ] && [ "$user" != "$(id -un)" ]; then
        if command -v runuser >/dev/null; then
            set -- runuser -u "$user" -- "$@"
        else
            set -- setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups "$@"
        fi
    fi
    hold_hooks
    out=$TASK_DIR/hook.out
    true 2>/dev/null >>"$out" || out=/dev/null
    (
        umask 022
        cd -P "$folder" || exit 127
        SYSMGR_ROOT=$ROOT SYSMGR_SERVICE=$SERVICE SYSMGR_VERSION=$(current_version)
        SYSMGR_RELEASE=$(cd -P "$ROOT/$SERVICE/current" && pwd)
        export SYSMGR_ROOT SYSMGR_SERVICE SYSMGR_VERSION SYSMGR_RELEASE
        # shellcheck disable=SC2016 # the inner shell expands: timeout keeps descriptor 8, the hook does not
        exec timeout -k 5 "$seconds" sh -c 'exec "$@" 8>&-' sh "$@" </dev/null
    ) >>"$out" 2>&1 9>&-
    code=$?
    exec 8>&-
    [ "$out" = /dev/null ] || { tail -c 4096 "$out" && true >"$out"; } 2>/dev/null >>"$LOG"
    printf 'hook %s: exit %s\n' "$hook" "$code" 2>/dev/null >>"$LOG"
    trim_log
    return "$code"
}
# refuse_hook NAME: say how the hook that ran last failed. 75 asks for a reboot; then the same step goes on.
refuse_hook() {
    case $code in
        75) fail 23 reboot_required "$1" ;;
        124 | 137 | 143) fail 19 hook_timeout "$1" ;;
        *) fail 18 hook_failed "$1 exit $code" ;;
    esac
}
# ask NAME SECONDS: what a check says, in $said. One that cannot run or does not answer is no proof of anything; neither
# is one that asks for a reboot.
ask() {
    run_hook "$1" "$2"
    case $code in
        0) said=yes ;;
        75) said=reboot ;;
        12[4-9] | 1[3-9]? | 2??) said=unknown ;;
        *) said=no ;;
    esac
}
# now: seconds that no change of the clock moves, where the kernel tells them.
now() { { read -r up _ </proc/uptime && echo "${up%%.*}"; } 2>/dev/null || date +%s; }
# wait_for NAME WANTED: repeat a check until it says WANTED (yes, no) or asks for a reboot, within its time limit.
wait_for() {
    limit=$(hook_seconds "$1")
    begun=$(now)
    rounds=$limit
    while :; do
        left=$((limit + begun - $(now)))
        [ "$left" -ge 1 ] || left=1
        [ "$left" -le "$limit" ] || left=$limit
        ask "$1" "$left"
        [ "$said" != "$2" ] || return 0
        [ "$said" != reboot ] || return 1
        [ "$rounds" -gt 0 ] && [ "$(($(now) - begun))" -lt "$limit" ] || return 1
        rounds=$((rounds - 1))
        sleep 1
    done
}
# stop_service: where there is a `status`, it decides, whatever stop answered: only its plain no proves the end.
stop_service() {
    has_hook stop || return 0
    run_hook stop "$(hook_seconds stop)"
    stopped=$code
    if has_hook status; then wait_for status no; else return "$stopped"; fi
}
# start_service: not a second time when an interrupted step has started it already.
start_service() {
    has_hook start || return 0
    if has_hook status; then
        ask status "$(hook_seconds status)"
        [ "$said" != yes ] || return 0
    fi
    run_hook start "$(hook_seconds start)"
}
