# Trees: listing them, comparing them, and checking a payload against its spec.

# tree DIR: every entry below DIR, sorted: directories, files with mode and digest, links with target.
tree() {
    (
        cd "$1" || exit 1
        if find . -name '*
*' | grep -q .; then
            exit 2
        fi
        {
            find . -mindepth 1 -type d -exec stat -c 'd %a - %n' {} +
            find . -type f -exec stat -c 'm %a - %n' {} +
            find . -type f -exec sha256sum {} + | sed 's/^\\\{0,1\}\([0-9a-f]*\) [ *]/f - \1 /'
            find . -type l -exec sh -c 'for l; do printf "l - %s %s\n" "$(readlink "$l")" "$l"; done' sh {} +
            find . -mindepth 1 ! -type d ! -type f ! -type l | sed 's/^/o - - /'
        } | sort
    ) 2>>"$LOG"
}
# same_tree DIR LISTING: whether DIR is, entry by entry, what LISTING says.
same_tree() {
    [ -d "$1" ] && [ ! -L "$1" ] && tree "$1" >"$TASK_DIR/tree.now" && cmp -s "$TASK_DIR/tree.now" "$2"
}

spec_files() { sed -n 's/^F //p' "$TASK_DIR/spec"; }
# same_as_spec DIR: DIR holds exactly the spec's files: nothing missing, nothing more, digests and modes right.
same_as_spec() {
    [ -d "$1" ] && [ ! -L "$1" ] || return 1
    (
        cd "$1" || exit 1
        [ -z "$(find . -mindepth 1 ! -type d ! -type f | head -n 1)" ] || exit 1
        spec_files | cut -d' ' -f1,4- | sort >"$TASK_DIR/want.list"
        find . -type f -exec stat -c '0%a %n' {} + | sed 's, \./, ,' | sort >"$TASK_DIR/have.list"
        cmp -s "$TASK_DIR/want.list" "$TASK_DIR/have.list" || exit 1
        [ -s "$TASK_DIR/want.list" ] || exit 0
        spec_files | awk '{print $2 "  " $4}' >"$TASK_DIR/sums"
        sha256sum -c "$TASK_DIR/sums" >/dev/null 2>&1
    ) 2>>"$LOG"
}
# set_modes DIR: give the files the modes of the spec; tar and umask may have changed them.
set_modes() {
    (
        cd "$1" || exit 1
        find . -type d -exec chmod 0755 {} + || exit 1
        find . -type f -exec chmod 0644 {} + || exit 1
        spec_files | sed -n 's/^0755 [0-9a-f]* [0-9]* //p' | while IFS= read -r name; do
            chmod 0755 "$name" || exit 1
        done
    ) 2>>"$LOG"
}
sync_tree() { find "$1" -type f -exec sync {} + 2>>"$LOG" || sync; }

# full_or_io DIR: tell a full disk from any other failure to write.
full_or_io() {
    free=$(df -kP "$ROOT" | awk 'NR==2 {print $4}')
    [ "${free:-0}" -gt 64 ] || fail 14 no_space "$1"
    fail 15 io_error "$1"
}
# current_version: what `current` points at; empty when it is no link into releases/.
current_version() {
    [ -L "$ROOT/$SERVICE/current" ] || return 0
    target=$(readlink "$ROOT/$SERVICE/current")
    case $target in
        releases/*/* | releases/.*) ;;
        releases/*) [ ! -d "$ROOT/$SERVICE/$target" ] || printf '%s\n' "${target#releases/}" ;;
    esac
}
# point_at VERSION: switch `current` in one rename; it is missing at no moment.
point_at() {
    ln -sfn "releases/$1" "$ROOT/$SERVICE/.current.$TASK" 2>>"$LOG" \
        && mv -fT "$ROOT/$SERVICE/.current.$TASK" "$ROOT/$SERVICE/current" 2>>"$LOG" \
        || full_or_io "cannot switch current"
    sync_path "$ROOT/$SERVICE"
}
