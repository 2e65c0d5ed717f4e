# Steps beside the change: drain, undrain, check, log, take_over.

# A service is drained from the mark of drain until undrain is done. Rollback and commit leave that to the caller.
step_drain() {
    need stage
    if ! has_mark undrain && replay drain; then return 0; fi
    # Another drain after an undrain: without its mark the older one says nothing any more.
    rm -f "$TASK_DIR/undrain.mark" 2>>"$LOG" || fail 15 io_error "cannot remove a marker"
    mark drain started
    if ! has_hook drain; then
        echo "drain none" | answer drain
        return
    fi
    run_hook drain "$(hook_seconds drain)" || refuse_hook drain
    echo "drain yes" | answer drain
}
# step_undrain: a command that fails is told and may be called again; it changes nothing of what the files are.
step_undrain() {
    ! replay undrain || return 0
    if ! has_mark drain; then
        echo "undrain none"
        return
    fi
    if ! has_hook undrain; then
        echo "undrain none" | answer undrain
        return
    fi
    mark undrain started
    if run_hook undrain "$(hook_seconds undrain)"; then
        echo "undrain yes" | answer undrain
    else
        echo "undrain failed $code"
    fi
}

# step_check: what the commands of the release that runs now say of it, each within its time limit. What is well may
# need a moment to say so; what does not run is not waited for.
step_check() {
    said=-
    if has_hook status; then ask status "$(hook_seconds status)"; fi
    tell_check status
    if ! has_hook health; then
        said=-
    elif [ "$said" = no ]; then
        ask health "$(hook_seconds health)"
    else
        wait_for health yes || true
    fi
    tell_check health
}
tell_check() {
    [ "$said" != reboot ] || said=unknown
    echo "$1 $said"
}

# step_log TASK: the end of its log, printable; bytes of other alphabets stay.
step_log() {
    component "$1"
    [ -f "$STATE/tasks/$1/log" ] || return 0
    tail -c 8192 "$STATE/tasks/$1/log" 2>/dev/null | tr '\000-\010\013-\037\177' '?'
}

# step_take_over CLUSTER TERM OLD [force]: the one step that changes whose this host is. The caller names the owner whom
# he looked at; an upgrade of his that may have changed a service and did not end is refused unless it is forced.
step_take_over() {
    [ -f "$STATE/fence" ] || fail 12 foreign_cluster -
    read -r owner highest <"$STATE/fence" || fail 15 io_error "the fence is damaged"
    if [ "$owner" = "$1" ]; then
        check_fence "$1" "$2"
        echo "owner $1 $2"
        return
    fi
    [ "$owner" = "$3" ] || fail 12 foreign_cluster "$owner"
    for file in "$STATE"/hooks.*; do
        [ ! -f "$file" ] || flock -n "$file" true 2>/dev/null || fail 13 lock_busy "a command of an earlier call still runs"
    done
    [ "${4:-}" = force ] || for TASK_DIR in "$STATE"/tasks/*; do
        ! has_mark activate.stop || is_done commit || is_done rollback || fail 24 busy_task "${TASK_DIR##*/}"
    done
    printf '%s %s\n' "$1" "$2" | keep "$STATE/fence" || exit
    printf 'owner %s %s\nwas %s %s\n' "$1" "$2" "$owner" "$highest"
}
