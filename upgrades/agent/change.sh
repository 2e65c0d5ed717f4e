# The steps around the change itself: activate, verify, rollback, commit, cleanup.

step_activate() {
    need stage
    forward
    ! replay activate || return 0
    same_as_new "$ROOT/$SERVICE/releases/$NEW" || fail 17 digest_mismatch "the staged release changed"
    mark activate started
    if ! is_done activate.stop; then
        ask_before_stop
        # From here on something may have changed: before this marker a rollback has nothing to do.
        mark activate.stop started
        stop_service || {
            [ "$code" != 75 ] && [ "$stopped" != 75 ] || fail 23 reboot_required stop
            fail 18 hook_failed "stop: the old process still runs"
        }
        mark activate.stop "done"
    fi
    [ "$(current_version)" = "$NEW" ] || point_at "$NEW"
    mark activate effect
    start_service || refuse_hook start
    echo "version $NEW" | answer activate
}
# ask_before_stop: a status that cannot be asked could not prove the stop either: refuse while nothing is touched.
ask_before_stop() {
    has_hook stop && has_hook status || return 0
    ask status "$(hook_seconds status)"
    case $said in unknown | reboot) refuse_hook status ;; esac
}

step_verify() {
    need activate
    again=
    if has_mark verify; then read -r again <"$TASK_DIR/verify.mark"; fi
    [ "$again" = reboot ] || mark verify started
    [ "$(current_version)" = "$NEW" ] || fail 17 digest_mismatch "current is $(current_version), not $NEW"
    same_as_new "$ROOT/$SERVICE/releases/$NEW" || fail 17 digest_mismatch "the files are not what they should be"
    # After the reboot that a check asked for, nobody else may have started the service.
    if [ "$again" = reboot ] && has_hook status; then start_service || refuse_hook start; fi
    for check in status health; do
        if has_hook "$check" && ! wait_for "$check" yes; then
            [ "$said" != reboot ] || mark verify reboot
            [ "$said" = no ] || refuse_hook "$check"
            fail 18 hook_failed "$check says no"
        fi
    done
    echo "version $NEW" | answer verify
}

step_commit() {
    ! replay commit || return 0
    need verify
    forward
    echo "version $NEW" | answer commit
}

unproven() { fail 21 unproven "$*"; }

step_rollback() {
    ! is_done commit || usage "this task is committed"
    if ! has_mark activate.stop; then
        untouched
        return
    fi
    mark rollback started
    # First of all the old files: where they cannot be proven, nothing is stopped and nothing switched.
    same_tree "$ROOT/$SERVICE/releases/$OLD" "$TASK_DIR/old.tree" || restore_release
    [ -f "$TASK_DIR/origin" ] || echo release | keep "$TASK_DIR/origin" || exit
    bring_back
    [ "$(current_version)" = "$OLD" ] || unproven "current is $(current_version), not $OLD"
    same_tree "$ROOT/$SERVICE/releases/$OLD" "$TASK_DIR/old.tree" || unproven "the release $OLD is not what it was"
    start_service || unproven "the old release is back, but its start failed"
    if has_hook status && has_hook start; then
        wait_for status yes || unproven "the old release is back, but its status says no"
    fi
    {
        echo "version $OLD"
        echo "from $(cat "$TASK_DIR/origin")"
    } | answer rollback
}
# untouched: nothing was stopped or switched; without a listing not even the backup began.
untouched() {
    [ "$(current_version)" = "$OLD" ] || unproven "current is $(current_version), not $OLD"
    [ ! -f "$TASK_DIR/old.tree" ] || same_tree "$ROOT/$SERVICE/releases/$OLD" "$TASK_DIR/old.tree" \
        || unproven "the release $OLD changed"
    echo "version $OLD" | answer rollback
}
# bring_back: stop what runs, and switch.
bring_back() {
    if ! is_done rollback.stop; then
        # Where the stop of activate was never proven, the switch never came: what still runs is the old process.
        stop_service || ! is_done activate.stop || stop_again
        mark rollback.stop "done"
    fi
    [ "$(current_version)" = "$OLD" ] || point_at "$OLD"
}
# stop_again: the new release could not stop its process, or not tell: let the old one's commands try.
stop_again() {
    if [ "$(current_version)" != "$OLD" ]; then
        point_at "$OLD"
        ! stop_service || return 0
    fi
    # Without a status nobody can be asked, and the start will tell.
    ! has_hook status || unproven "the new process may still run"
    printf 'stop failed; going on with the rollback\n' 2>/dev/null >>"$LOG"
}
# restore_release: unpack it anew from this task's backup and swap it in.
restore_release() {
    is_done backup || unproven "the release $OLD is gone and there is no backup of this task"
    releases=$ROOT/$SERVICE/releases
    name=$(sed -n 's/^name //p' "$TASK_DIR/backup.result")
    sum=$(sed -n 's/^sha256 //p' "$TASK_DIR/backup.result")
    archive=$ROOT/backups/$name
    [ -n "$sum" ] && [ -f "$archive" ] && [ "$(digest "$archive")" = "$sum" ] \
        || unproven "the release $OLD is gone and the backup $name is not what was written"
    unpack_release "$releases/.$OLD.$TASK"
    echo backup | keep "$TASK_DIR/origin" || exit
    next=$releases/.$OLD.$TASK
    if [ "$(link_target)" = "releases/$OLD" ] || [ "$(link_target)" = "releases/.$OLD.$TASK" ]; then
        # `current` must name whole files at every moment, also while its release is swapped.
        next=$releases/.again.$TASK
        unpack_release "$next"
        point_at ".$OLD.$TASK"
    fi
    wipe "$releases/.broken.$TASK"
    if [ -e "$releases/$OLD" ] || [ -L "$releases/$OLD" ]; then
        mv -T "$releases/$OLD" "$releases/.broken.$TASK" 2>>"$LOG" || unproven "cannot move the broken release $OLD away"
    fi
    mv -T "$next" "$releases/$OLD" 2>>"$LOG" && sync_path "$releases" || unproven "cannot put the release $OLD back"
    [ "$(link_target)" != "releases/.$OLD.$TASK" ] || point_at "$OLD"
}
# unpack_release DIR: the proven content of $archive as DIR; one that is whole already is used.
unpack_release() {
    tree=$1 listing=$TASK_DIR/old.tree
    if ! same_tree "$tree" "$TASK_DIR/old.tree"; then
        wipe "$tree"
        mkdir "$tree" 2>>"$LOG" && both read_archive unpack_tree || unproven "the backup of $OLD cannot be unpacked"
        same_tree "$tree" "$TASK_DIR/old.tree" || unproven "the backup is not the release $OLD"
    fi
    sync_tree "$tree" || unproven "the release $OLD cannot be written"
}

step_cleanup() {
    ! replay cleanup || return 0
    ! has_mark activate.stop || is_done commit || is_done rollback || usage "this task is under way"
    releases=$ROOT/$SERVICE/releases
    set -- "$ROOT/packages/$NEW/$SERVICE" "$ROOT/packages/$NEW/.$SERVICE.$TASK" "$ROOT/backups/.$TASK.part" \
        "$releases/.$NEW.$TASK" "$releases/.old.$TASK" "$releases/.broken.$TASK" "$releases/.again.$TASK" \
        "$ROOT/$SERVICE/.current.$TASK" "$TASK_DIR/scratch" "$TASK_DIR/spec.in" \
        "$TASK_DIR/.held" "$TASK_DIR/.plan" "$TASK_DIR/.need" \
        "$TASK_DIR/.coming" "$TASK_DIR/.came" "$TASK_DIR/.arriving"
    if [ "$(link_target)" != "releases/.$OLD.$TASK" ]; then
        set -- "$@" "$releases/.$OLD.$TASK"
    fi
    if ! is_done commit && [ -f "$TASK_DIR/staged" ] && [ "$(current_version)" != "$NEW" ]; then
        set -- "$@" "$releases/$NEW"
    fi
    wipe "$@" || fail 15 io_error "cannot remove what was only needed on the way"
    rmdir "$ROOT/packages/$NEW" 2>/dev/null
    echo "clean yes" | answer cleanup
}
