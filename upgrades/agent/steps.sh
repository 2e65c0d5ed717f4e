# The steps that change nothing of the running service: inspect, spec, backup, stage (push: see push.sh).

step_inspect() {
    echo "protocol $PROTOCOL"
    for tool in awk cat chmod cmp cp cut df du find flock grep gzip head id ln md5sum mkdir mv readlink rm sed \
        sha256sum sleep sort stat sync tail tar timeout tr wc xargs; do
        command -v "$tool" >/dev/null || echo "missing $tool"
    done
    timeout -k 1 5 true 2>/dev/null || echo "missing timeout-k"
    echo "free_kb $(free_kb "$ROOT" "$ROOT/backups" "$ROOT/packages")"
    # `mv -T` is what switches `current`: try it where it matters.
    if [ -w "$ROOT" ] && ln -sfn probe "$STATE/probe.new" 2>/dev/null; then
        mv -fT "$STATE/probe.new" "$STATE/probe" 2>/dev/null || echo "missing mv-T"
        rm -f "$STATE/probe.new" "$STATE/probe"
        echo "writable yes"
    else
        echo "writable no"
    fi
    for folder in "$ROOT"/*/; do
        folder=${folder%/}
        SERVICE=${folder##*/}
        case $SERVICE in *[!A-Za-z0-9._+@-]*) continue ;; esac
        if [ -d "$folder/releases" ] || [ -L "$folder/current" ] || [ -e "$folder/current" ]; then
            version=$(current_version)
            echo "service $SERVICE ${version:--}"
            [ -z "$version" ] || echo "release_kb $SERVICE $(du -sk "$folder/current/" 2>/dev/null | cut -f1)"
        fi
    done
    if [ "$TASK" != - ]; then
        for marker in "$STATE/tasks/$TASK"/*.mark; do
            [ ! -f "$marker" ] || echo "marker $(basename "$marker" .mark) $(cat "$marker")"
        done
    fi
}

step_spec() {
    cat >"$TASK_DIR/spec.in" 2>>"$LOG" || full_or_io "$STATE" "cannot write the spec" "$TASK_DIR/spec.in"
    [ "$(tail -n 1 "$TASK_DIR/spec.in")" = . ] || usage "the spec was cut"
    if [ -f "$TASK_DIR/spec" ]; then
        cmp -s "$TASK_DIR/spec.in" "$TASK_DIR/spec" || usage "another spec is here already"
    else
        keep_hooks "$TASK_DIR/spec.in" ""
        prepare_restore
        make_reserve
        wanted spec.in | keep "$TASK_DIR/want" || exit
        weigh "$TASK_DIR/spec.in" || exit
        keep "$TASK_DIR/spec" <"$TASK_DIR/spec.in"
    fi
    rm -f "$TASK_DIR/spec.in"
    echo "spec kept"
}

step_backup() {
    component "$1"
    ! replay backup || return 0
    forward
    final=$ROOT/backups/$1
    part=$ROOT/backups/.$TASK.part
    release=$ROOT/$SERVICE/releases/$OLD
    [ -n "$(current_version)" ] || fail 16 not_managed "current is no link to a release"
    [ "$(current_version)" = "$OLD" ] \
        || fail 17 digest_mismatch "current is $(current_version), not $OLD"
    mark backup started
    mkdir -p "$ROOT/backups" 2>>"$LOG" || full_or_io "$ROOT" "cannot write backups"
    if [ -e "$final" ] || [ -L "$final" ]; then
        # Ours, when the digest that was recorded before the final name was taken is the file's.
        ours=
        [ ! -f "$TASK_DIR/backup.sum" ] || read -r ours _ <"$TASK_DIR/backup.sum"
        [ -n "$ours" ] && [ -f "$final" ] && [ "$ours" = "$(digest "$final")" ] || fail 20 name_taken "$1"
    else
        write_backup
    fi
    rm -f "$part"
    sync_path "$ROOT/backups" || full_or_io "$ROOT/backups" "cannot finish the backup"
    mark backup verified
    md5=$(md5sum <"$final" 2>>"$LOG") && size=$(wc -c <"$final") && sum=$(digest "$final") && [ -n "$sum" ] \
        || fail 15 io_error "the backup cannot be read back"
    printf 'name %s\nmd5 %s\nsha256 %s\nsize %s\n' "$1" "${md5%% *}" "$sum" "$((size))" | answer backup
}
digest() { sha256sum <"$1" 2>>"$LOG" | cut -d' ' -f1; }
# write_backup: list, pack, hash, read back, and only then take the final name, never over another file.
write_backup() {
    scratch=$TASK_DIR/scratch
    wipe "$part" "$scratch" || fail 15 io_error "cannot remove the rest of an earlier try"
    tree "$release" | keep "$TASK_DIR/old.tree" || exit
    ! grep -q '^! ' "$TASK_DIR/old.tree" || fail 15 io_error "the release cannot be read"
    tree=$release archive=$part listing=$TASK_DIR/old.tree
    both pack_tree write_archive && sync_path "$part" \
        || full_or_io "$ROOT/backups" "cannot write the backup" "$part"
    # The folder around it stays closed, whatever mode the release's own folder has.
    mkdir "$scratch" "$scratch/all" 2>>"$LOG"
    tree=$scratch/all
    both read_archive unpack_tree || full_or_io "$STATE" "the backup cannot be read back" "$part" "$scratch"
    same_tree "$scratch/all" "$TASK_DIR/old.tree" || {
        wipe "$part" "$scratch"
        fail 17 digest_mismatch "the backup is not the release"
    }
    wipe "$scratch"
    same_tree "$release" "$TASK_DIR/old.tree" || {
        wipe "$part"
        fail 17 digest_mismatch "the release changed meanwhile"
    }
    sum=$(digest "$part")
    [ -n "$sum" ] || fail 15 io_error "the backup cannot be read back"
    echo "$sum" | keep "$TASK_DIR/backup.sum" || exit
    mark backup effect
    ln "$part" "$final" 2>>"$LOG" || {
        [ ! -e "$final" ] || fail 20 name_taken "${final##*/}"
        full_or_io "$ROOT/backups" "cannot take the backup's name" "$part"
    }
}

step_stage() {
    need backup
    forward
    release=$ROOT/$SERVICE/releases/$NEW
    if is_done stage && same_as_new "$release"; then
        cat "$TASK_DIR/stage.result"
        return
    fi
    mark stage started
    part=$ROOT/$SERVICE/releases/.$NEW.$TASK
    aside=$ROOT/$SERVICE/releases/.old.$TASK
    wipe "$part" "$aside"
    ! is_restore || [ -f "$TASK_DIR/goal.tree" ] || fetch_backup
    if same_as_new "$release"; then
        wipe "$part"
        sync_path "$ROOT/$SERVICE/releases"
        echo "release used" | answer stage
        return
    fi
    [ "$(current_version)" != "$NEW" ] || fail 17 digest_mismatch "the release $NEW is current and differs"
    if is_restore; then
        same_as_new "$part" || fetch_backup
    else
        cp -R "$ROOT/packages/$NEW/$SERVICE" "$part" 2>>"$LOG" && set_modes "$part" \
            || full_or_io "$ROOT/$SERVICE/releases" "cannot copy the release" "$part"
    fi
    sync_tree "$part" || full_or_io "$ROOT/$SERVICE/releases" "cannot copy the release" "$part"
    same_as_new "$part" || fail 17 digest_mismatch "the staged release is not what it should be"
    echo "$NEW" | keep "$TASK_DIR/staged" || exit
    if [ -e "$release" ] || [ -L "$release" ]; then
        mv -T "$release" "$aside" 2>>"$LOG" || fail 15 io_error "cannot replace the release $NEW"
    fi
    mv -T "$part" "$release" 2>>"$LOG" && sync_path "$ROOT/$SERVICE/releases" \
        || full_or_io "$ROOT/$SERVICE/releases" "cannot finish the release"
    wipe "$aside"
    echo "release staged" | answer stage
}
