# Trees: listing them, comparing them, and checking a payload against its spec.

NEWLINE='
'
# tree DIR: every entry of DIR and DIR itself, sorted: kind, mode, owner, each file's digest, each link's target (not its
# owner, which no tar but GNU's restores). Names that hold a line break are told by their digest. A line with `!` says
# that something was unreadable.
tree() {
    (
        cd "$1" || exit 1
        {
            find . ! -path "*$NEWLINE*" ! -type l -exec stat -c '%f %t:%T %u:%g %n' {} + \
                && find . ! -path "*$NEWLINE*" -type l -exec stat -c 'link %N' {} + \
                && find . ! -path "*$NEWLINE*" -type f -exec sha256sum {} + \
                && find . -path "*$NEWLINE*" -exec sh -c "$ODD" sh {} + \
                || echo '! incomplete'
        } | sort || echo '! not sorted'
    ) 2>>"$LOG"
}
ODD='for n; do
    what= show="%f %t:%T %u:%g"
    if [ -L "$n" ]; then show=link what=$(readlink "$n" && echo .) || exit 1
    elif [ -f "$n" ]; then what=$(sha256sum <"$n") || exit 1; fi
    printf "odd %s" "$(stat -c "$show" "$n")" && for t in "$n" "$what"; do
        sum=$(printf %s "$t" | sha256sum) && printf " %s" "${sum%% *}"
    done && echo || exit 1
done'
# same_tree DIR LISTING: whether DIR is, entry by entry, what LISTING says. No scratch file: the disk may be full.
same_tree() {
    [ -d "$1" ] && [ ! -L "$1" ] || return 1
    ! tree "$1" | cmp -s - "$2" || return 0
    { tree "$1" | diff "$2" - | head -n 8; } >>"$LOG" 2>&1
    return 1
}

spec_files() { sed -n 's/^F //p' "$TASK_DIR/$1"; }
# wanted SPEC: what same_as_spec must find: mode (81a4 and 81ed are a file's 0644 and 0755) and digest of each file.
wanted() {
    spec_files "$1" | awk '{print ($1 == "0755" ? "81ed" : "81a4") " ./" $4; print $2 "  ./" $4}' | sort
}
# same_as_spec DIR [KNOWN]: DIR holds exactly the spec's files: nothing missing, nothing more, digests and modes right.
# The digests in KNOWN were made of what was being written.
same_as_spec() {
    [ -d "$1" ] && [ ! -L "$1" ] || return 1
    (
        cd "$1" || exit 1
        {
            find . ! -type d -exec stat -c '%f %n' {} + && sums "${2:-}" || echo '! incomplete'
        } | sort | cmp -s - "$TASK_DIR/want"
    ) 2>>"$LOG"
}
# set_modes DIR: give the files the modes of the spec; tar and umask may have changed them.
set_modes() {
    (
        cd "$1" \
            && find . -type d -exec chmod 0755 {} + \
            && find . -type f -exec chmod 0644 {} + \
            && spec_files spec | sed -n 's,^0755 [0-9a-f]* [0-9]* ,./,p' | xargs -r chmod 0755
    ) 2>>"$LOG"
}
sync_tree() {
    find "$1" \( -type f -o -type d \) -exec sync {} + 2>>"$LOG" || { ! sync "$0" 2>/dev/null && sync; }
}

# both LEFT RIGHT: two functions joined by a pipe. A pipe tells only how its right end went; here either one fails it.
both() {
    left=$({ { "$1"; echo $? >&3; } | "$2" >&2; } 3>&1 2>>"$LOG") && [ "$left" = 0 ]
}
pack_tree() { tar -cf - -C "$tree" .; }
# busybox's tar takes the umask off the modes of folders, also with -p, and leaves the topmost one as it is.
unpack_tree() {
    (umask 0 && tar -xpf - -C "$tree") || return 1
    [ -f "$listing" ] || return 0
    top=$(sed -n 's/^\([0-9a-f]*\) 0:0 [0-9:]* \.$/\1/p' "$listing")
    chmod "$(printf '%04o' "$((0x$top & 07777))")" "$tree"
}
write_archive() { gzip -c >"$archive"; }
read_archive() { gzip -dc <"$archive"; }

# link_target: what `current` says; current_version: the release that it means, empty when it is no link to one.
link_target() { [ ! -L "$ROOT/$SERVICE/current" ] || readlink "$ROOT/$SERVICE/current"; }
current_version() {
    target=$(link_target)
    case $target in
        releases/*/* | releases/.*) ;;
        releases/*)
            [ ! -d "$ROOT/$SERVICE/$target" ] || [ -L "$ROOT/$SERVICE/$target" ] || printf '%s\n' "${target#releases/}"
            ;;
    esac
}
# point_at VERSION: switch `current` in one rename; it is missing at no moment.
point_at() {
    ln -sfn "releases/$1" "$ROOT/$SERVICE/.current.$TASK" 2>>"$LOG" \
        && mv -fT "$ROOT/$SERVICE/.current.$TASK" "$ROOT/$SERVICE/current" 2>>"$LOG" \
        && sync_path "$ROOT/$SERVICE" \
        || full_or_io "$ROOT/$SERVICE" "cannot switch current" "$ROOT/$SERVICE/.current.$TASK"
}
