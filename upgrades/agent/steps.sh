# The steps that change nothing of the running service: inspect, spec, push, backup, stage.

step_inspect() {
    echo "protocol $PROTOCOL"
    for tool in tar gzip sha256sum md5sum stat timeout flock find awk df; do
        command -v "$tool" >/dev/null || echo "missing $tool"
    done
    df -kP "$ROOT" | awk 'NR==2 {print "free_kb " $4}'
    if [ -w "$ROOT" ] && : >"$STATE/probe" 2>/dev/null; then
        rm -f "$STATE/probe"
        echo "writable yes"
    else
        echo "writable no"
    fi
    for folder in "$ROOT"/*/; do
        SERVICE=$(basename "$folder")
        if [ -d "$folder/releases" ] || [ -L "$folder/current" ] || [ -e "$folder/current" ]; then
            version=$(current_version)
            echo "service $SERVICE ${version:--}"
            [ -z "$version" ] || echo "release_kb $SERVICE $(du -sk "$folder/current/" | cut -f1)"
        fi
    done
    if [ "$TASK" != - ]; then
        for marker in "$STATE/tasks/$TASK"/*.mark; do
            [ ! -f "$marker" ] || echo "marker $(basename "$marker" .mark) $(cat "$marker")"
        done
    fi
}

step_spec() {
    cat >"$TASK_DIR/spec.in" || fail 15 io_error "cannot write the spec"
    [ "$(tail -n 1 "$TASK_DIR/spec.in")" = . ] || usage "the spec was cut"
    if [ -f "$TASK_DIR/spec" ]; then
        cmp -s "$TASK_DIR/spec.in" "$TASK_DIR/spec" || usage "another spec is here already"
    else
        keep "$TASK_DIR/spec" <"$TASK_DIR/spec.in"
    fi
    rm -f "$TASK_DIR/spec.in"
    echo "spec kept"
}
from_version() { sed -n 's/^from //p' "$TASK_DIR/spec"; }
to_version() { sed -n 's/^version //p' "$TASK_DIR/spec"; }

step_push() {
    final=$ROOT/packages/$NEW/$SERVICE
    if is_done push && same_as_spec "$final"; then
        cat >/dev/null
        cat "$TASK_DIR/push.result"
        return
    fi
    mark push started
    part=$ROOT/packages/$NEW/.$SERVICE.$TASK
    rm -rf "$part" "$final"
    mkdir -p "$part" || full_or_io "cannot write packages"
    tar -xf - -C "$part" 2>>"$LOG" || {
        rm -rf "$part"
        full_or_io "the payload was cut or cannot be written"
    }
    set_modes "$part"
    same_as_spec "$part" || {
        rm -rf "$part"
        fail 17 digest_mismatch "the pushed payload is not what the package lists"
    }
    sync_tree "$part"
    mv -T "$part" "$final" 2>>"$LOG" || full_or_io "cannot finish the push"
    sync_path "$ROOT/packages/$NEW"
    echo "bytes $(spec_files | awk '{n += $3} END {print n + 0}')" | answer push
}

step_backup() {
    component "$1"
    ! replay backup || return 0
    final=$ROOT/backups/$1
    part=$ROOT/backups/.$1.part
    old=$(from_version)
    release=$ROOT/$SERVICE/releases/$old
    [ -n "$(current_version)" ] || fail 16 not_managed "current is no link to a release"
    [ "$(current_version)" = "$old" ] || fail 17 digest_mismatch "current is $(current_version), not $old"
    mark backup started
    if [ ! -f "$TASK_DIR/old.tree" ]; then
        tree "$release" >"$TASK_DIR/old.list" || fail 15 io_error "cannot list the release $old"
        keep "$TASK_DIR/old.tree" <"$TASK_DIR/old.list"
    fi
    mkdir -p "$ROOT/backups" || full_or_io "cannot write backups"
    if [ -e "$final" ]; then
        # Ours, when the digest that was recorded before the final name was taken is the file's.
        read -r ours _ <"$TASK_DIR/backup.sum" 2>/dev/null || ours=
        [ -n "$ours" ] && [ "$ours" = "$(sha256sum <"$final" | cut -d' ' -f1)" ] || fail 20 name_taken "$1"
    else
        write_backup
    fi
    mark backup verified
    {
        echo "name $1"
        echo "md5 $(md5sum <"$final" | cut -d' ' -f1)"
        echo "sha256 $(sha256sum <"$final" | cut -d' ' -f1)"
        echo "size $(($(wc -c <"$final")))"
    } | answer backup
}
# write_backup: pack, hash, read back, and only then take the final name, never over another file.
write_backup() {
    scratch=$TASK_DIR/scratch
    rm -rf "$part" "$scratch"
    (
        cd "$release" || exit 1
        set --
        for entry in * .[!.]* ..?*; do
            [ ! -e "$entry" ] && [ ! -L "$entry" ] || set -- "$@" "$entry"
        done
        if [ $# -gt 0 ]; then tar -cf - -- "$@"; else head -c 10240 /dev/zero; fi | gzip -c >"$part"
    ) 2>>"$LOG" || full_or_io "cannot write the backup"
    sync_path "$part"
    mkdir -p "$scratch" && gzip -dc <"$part" 2>>"$LOG" | tar -xpf - -C "$scratch" 2>>"$LOG" \
        || full_or_io "the backup cannot be read back"
    same_tree "$scratch" "$TASK_DIR/old.tree" || fail 17 digest_mismatch "the backup is not the release"
    same_tree "$release" "$TASK_DIR/old.tree" || fail 17 digest_mismatch "the release changed meanwhile"
    rm -rf "$scratch"
    sha256sum <"$part" | keep "$TASK_DIR/backup.sum" || exit 15
    mark backup effect
    ln "$part" "$final" 2>>"$LOG" || fail 20 name_taken "$(basename "$final")"
    rm -f "$part"
    sync_path "$ROOT/backups"
}

step_stage() {
    need backup
    release=$ROOT/$SERVICE/releases/$NEW
    if is_done stage && same_as_spec "$release"; then
        cat "$TASK_DIR/stage.result"
        return
    fi
    mark stage started
    if [ -e "$release" ] && same_as_spec "$release"; then
        echo "release used" | answer stage
        return
    fi
    [ "$(current_version)" != "$NEW" ] || fail 17 digest_mismatch "the release $NEW is current and differs"
    part=$ROOT/$SERVICE/releases/.$NEW.$TASK
    rm -rf "$part"
    cp -R "$ROOT/packages/$NEW/$SERVICE" "$part" 2>>"$LOG" || full_or_io "cannot copy the release"
    set_modes "$part"
    same_as_spec "$part" || fail 17 digest_mismatch "the staged release is not what the package lists"
    sync_tree "$part"
    echo "$NEW" | keep "$TASK_DIR/staged" || exit 15
    [ ! -e "$release" ] || mv -T "$release" "$ROOT/$SERVICE/releases/.old.$TASK" 2>>"$LOG" \
        || fail 15 io_error "cannot replace the release $NEW"
    mv -T "$part" "$release" 2>>"$LOG" || full_or_io "cannot finish the release"
    sync_path "$ROOT/$SERVICE/releases"
    rm -rf "$ROOT/$SERVICE/releases/.old.$TASK"
    echo "release staged" | answer stage
}
