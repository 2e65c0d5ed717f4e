# The steps around the change itself: activate, verify, rollback, commit, cleanup.

step_activate() {
    need stage
    ! is_done rollback || usage "this task was rolled back"
    ! replay activate || return 0
    mark activate started
    if [ "$(state activate.stop)" != "done" ]; then
        if [ "$(current_version)" != "$NEW" ] && ! stop_service; then
            fail 18 hook_failed "stop: the old process still runs"
        fi
        mark activate.stop "done"
    fi
    if [ "$(current_version)" != "$NEW" ]; then
        same_as_spec "$ROOT/$SERVICE/releases/$NEW" || fail 17 digest_mismatch "the staged release changed"
        point_at "$NEW"
    fi
    mark activate effect
    if ! start_service; then
        [ "$code" -ne 124 ] || fail 19 hook_timeout start
        fail 18 hook_failed "start exit $code"
    fi
    echo "version $NEW" | answer activate
}

step_verify() {
    need activate
    [ "$(current_version)" = "$NEW" ] || fail 17 digest_mismatch "current is $(current_version), not $NEW"
    same_as_spec "$ROOT/$SERVICE/releases/$NEW" || fail 17 digest_mismatch "the files are not what the package lists"
    for check in status health; do
        if has_hook "$check"; then
            wait_for "$check" 0 || fail 18 hook_failed "$check says no"
        fi
    done
    echo "version $NEW" | answer verify
}

step_commit() {
    need verify
    ! is_done rollback || usage "this task was rolled back"
    ! replay commit || return 0
    echo "version $NEW" | answer commit
}

unproven() { fail 21 unproven "$*"; }

step_rollback() {
    ! is_done commit || usage "this task is committed"
    old=$(from_version)
    # Without a listing the backup never began, and so nothing can have been changed.
    if [ ! -f "$TASK_DIR/old.tree" ]; then
        [ "$(current_version)" = "$old" ] || unproven "current is $(current_version), not $old"
        echo "version $old" | answer rollback
        return
    fi
    if [ -z "$(state activate)" ]; then
        [ "$(current_version)" = "$old" ] || unproven "current is $(current_version), not $old"
        same_tree "$ROOT/$SERVICE/releases/$old" "$TASK_DIR/old.tree" || unproven "the release $old changed"
        echo "version $old" | answer rollback
        return
    fi
    mark rollback started
    origin=release
    if [ "$(state rollback.switch)" != "done" ]; then
        stop_service || printf 'stop failed; going on with the rollback\n' >>"$LOG"
        if ! same_tree "$ROOT/$SERVICE/releases/$old" "$TASK_DIR/old.tree"; then
            origin=backup
            restore_release "$old"
        fi
        point_at "$old"
        printf '%s\n' "$origin" | keep "$TASK_DIR/origin" || exit 15
        mark rollback.switch "done"
    fi
    [ "$(current_version)" = "$old" ] || unproven "current is $(current_version), not $old"
    same_tree "$ROOT/$SERVICE/releases/$old" "$TASK_DIR/old.tree" || unproven "the release $old is not what it was"
    start_service || unproven "the old release is back, but its start failed"
    if has_hook status && has_hook start; then
        wait_for status 0 || unproven "the old release is back, but its status says no"
    fi
    {
        echo "version $old"
        echo "from $(cat "$TASK_DIR/origin")"
    } | answer rollback
}
# restore_release VERSION: unpack it anew from this task's backup and swap it in.
restore_release() {
    is_done backup || unproven "the release $1 is gone and there is no backup of this task"
    name=$(sed -n 's/^name //p' "$TASK_DIR/backup.result")
    sum=$(sed -n 's/^sha256 //p' "$TASK_DIR/backup.result")
    [ "$(sha256sum <"$ROOT/backups/$name" 2>>"$LOG" | cut -d' ' -f1)" = "$sum" ] \
        || unproven "the release $1 is gone and the backup $name is not what was written"
    part=$ROOT/$SERVICE/releases/.$1.$TASK
    rm -rf "$part"
    mkdir -p "$part" && gzip -dc <"$ROOT/backups/$name" | tar -xpf - -C "$part" 2>>"$LOG" \
        || unproven "the backup $name cannot be unpacked"
    same_tree "$part" "$TASK_DIR/old.tree" || unproven "the backup $name is not the release $1"
    sync_tree "$part"
    rm -rf "$ROOT/$SERVICE/releases/.broken.$TASK"
    [ ! -e "$ROOT/$SERVICE/releases/$1" ] \
        || mv -T "$ROOT/$SERVICE/releases/$1" "$ROOT/$SERVICE/releases/.broken.$TASK" \
        || unproven "cannot move the broken release $1 away"
    mv -T "$part" "$ROOT/$SERVICE/releases/$1" || unproven "cannot put the release $1 back"
    sync_path "$ROOT/$SERVICE/releases"
}

step_cleanup() {
    if ! is_done commit && [ -f "$TASK_DIR/staged" ] && [ "$(current_version)" != "$NEW" ]; then
        rm -rf "$ROOT/$SERVICE/releases/$NEW"
    fi
    rm -rf "$ROOT/packages/$NEW/$SERVICE" "$ROOT/packages/$NEW/.$SERVICE.$TASK" \
        "$ROOT/$SERVICE/releases/.$NEW.$TASK" "$ROOT/$SERVICE/releases/.old.$TASK" \
        "$ROOT/$SERVICE/releases/.broken.$TASK" "$TASK_DIR/scratch"
    rmdir "$ROOT/packages/$NEW" 2>/dev/null
    for part in "$ROOT"/backups/.*.part; do
        [ ! -f "$part" ] || rm -f "$part"
    done
    echo "clean yes" | answer cleanup
}
