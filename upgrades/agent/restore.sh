# Bringing a backup back: what the host itself knows of it, and looking after backups.

# A spec that restores has `restore NAME SHA256`, `made_by TASK` (whose backup it is) and `runs_by TASK` (which brought the
# release that runs now); one that only makes a backup has the same version twice. Neither brings files or commands.
is_restore() { grep -q '^restore ' "$TASK_DIR/spec"; }
spec_word() { sed -n "s/^$1 //p" "$TASK_DIR/spec.in"; }

# prepare_restore: take the commands for both releases, and the listing, from the tasks that this host keeps.
prepare_restore() {
    OLD=$(spec_word from) NEW=$(spec_word version) made=$(spec_word made_by) runs=$(spec_word runs_by)
    restore=$(spec_word restore)
    [ -n "$restore" ] || [ "$OLD" = "$NEW" ] || return 0
    known_for "$OLD" old "$runs" "$made"
    [ -n "$restore" ] || return 0
    [ -z "$runs" ] || [ -s "$TASK_DIR/hooks.old" ] || [ -f "$STATE/tasks/$runs/spec" ] \
        || fail 22 hooks_unknown "the task $runs that brought $OLD is gone, and its commands with it"
    component "${restore% *}"
    known_for "$NEW" new "$made" "$runs"
    for hook in stop start; do
        # Else a daemon would go on beside the other release, or nobody would start it again.
        [ "$(grep -c "^H $hook " "$TASK_DIR/hooks.old")" = "$(grep -c "^H $hook " "$TASK_DIR/hooks.new")" ] \
            || fail 22 hooks_unknown "$hook is known for only one of $OLD and $NEW"
    done
    other=$STATE/tasks/$made
    rm -f "$TASK_DIR/goal.tree"
    if [ -n "$made" ] && [ -f "$other/old.tree" ] && told_by "$other" "${restore% *}" "${restore#* }"; then
        keep "$TASK_DIR/goal.tree" <"$other/old.tree"
    fi
}
# told_by FOLDER NAME SHA256: whether that task made this backup; only then its listing is the backup's.
told_by() {
    grep -qxF "name $2" "$1/backup.result" 2>/dev/null && grep -qxF "sha256 $3" "$1/backup.result"
}
# known_for VERSION SIDE TASK...: keep as hooks.SIDE the commands that the first of these tasks knows for a release: a
# task's commands were for both of its releases; those of a restore are kept for each of them.
known_for() {
    release=$1 side=$2
    shift 2
    for other in "$@"; do
        [ -n "$other" ] || continue
        component "$other"
        other=$STATE/tasks/$other
        if grep -qxF "from $release" "$other/spec" 2>/dev/null; then
            from=$other/hooks.old
        elif grep -qxF "version $release" "$other/spec" 2>/dev/null; then
            from=$other/hooks.new
        else
            continue
        fi
        [ -f "$from" ] || from=$other/spec
        grep -q '^H ' "$from" || continue
        sed -n '/^[HA] /p' "$from" | keep "$TASK_DIR/hooks.$side" || exit
        keep_hooks "$TASK_DIR/hooks.$side" "$side."
        return 0
    done
    keep "$TASK_DIR/hooks.$side" </dev/null
}

# same_as_new DIR: whether DIR is what this task brings, by the package's list or by the backup's listing.
same_as_new() {
    if is_restore; then
        [ -f "$TASK_DIR/goal.tree" ] && same_tree "$1" "$TASK_DIR/goal.tree"
    else
        same_as_spec "$1"
    fi
}
# fetch_backup: unpack the backup as $part; where the task that made it is gone, its digest alone vouches for it.
fetch_backup() {
    restore=$(sed -n 's/^restore //p' "$TASK_DIR/spec")
    archive=$ROOT/backups/${restore% *} tree=$part listing=$TASK_DIR/goal.tree
    [ -f "$archive" ] && [ "$(digest "$archive")" = "${restore#* }" ] \
        || fail 17 digest_mismatch "the backup ${restore% *} is not what was written"
    wipe "$part"
    mkdir "$part" 2>>"$LOG" && chmod 0755 "$part" 2>>"$LOG" && both read_archive unpack_tree \
        || full_or_io "$ROOT/$SERVICE/releases" "the backup cannot be unpacked" "$part"
    [ ! -f "$listing" ] || return 0
    found=$(tree "$part" | grep -c '^! ')
    [ "$found" = 0 ] || fail 15 io_error "the unpacked backup cannot be read"
    tree "$part" | keep "$listing" || exit
}

list_archive() { tar -tf - >/dev/null; }
# step_check_backup NAME: read it whole: its digests and size, and whether it is an archive.
step_check_backup() {
    archive=$ROOT/backups/$1
    [ -f "$archive" ] || fail 17 digest_mismatch "there is no backup $1"
    md5=$(md5sum <"$archive") && sum=$(digest "$archive") && size=$(wc -c <"$archive") && [ -n "$sum" ] \
        || fail 15 io_error "the backup cannot be read"
    if both read_archive list_archive; then readable=yes; else readable=no; fi
    printf 'name %s\nmd5 %s\nsha256 %s\nsize %s\nreadable %s\n' "$1" "${md5%% *}" "$sum" "$((size))" "$readable"
}
# step_remove_backup NAME: a backup that the manager gave up; one that is gone already is no failure.
step_remove_backup() {
    case $1 in backup_*.tar.gz) ;; *) usage "bad name $1" ;; esac
    if [ -e "$ROOT/backups/$1" ] || [ -L "$ROOT/backups/$1" ]; then
        rm -f "$ROOT/backups/$1" 2>/dev/null && sync_path "$ROOT/backups" || fail 15 io_error "cannot remove the backup"
    fi
    echo "removed $1"
}
