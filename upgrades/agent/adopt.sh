# Taking an installation of somebody else's into the layout: adopt copies it, and moves nothing.

# step_adopt VERSION [dry]: stdin tells the folder: its path in one line, then a line with a dot.
step_adopt() {
    read_source
    releases=$ROOT/$SERVICE/releases
    release=$releases/$1
    part=$releases/.$1.$TASK
    kept=$STATE/adopted.$SERVICE
    if [ "$(current_version)" = "$1" ] && is_adopted "$1"; then
        tell_adopted "$1"
        return
    fi
    current=$ROOT/$SERVICE/current
    if [ -e "$current" ] || [ -L "$current" ]; then refuse_adopt "$SERVICE/current is there already"; fi
    { [ ! -e "$release" ] && [ ! -L "$release" ]; } || is_adopted "$1" || refuse_adopt "$SERVICE/releases/$1 is there already"
    measure
    if [ "${2:-}" = dry ]; then
        tell_adopted "$1"
        return
    fi
    is_adopted "$1" && same_but_owner "$release" || copy_source "$1"
    point_at "$1"
    tell_adopted "$1"
}
refuse_adopt() { fail 25 adopt_refused "$*"; }

# read_source: links on the way to the folder are followed here, and nowhere else.
read_source() {
    IFS= read -r path && IFS= read -r end && [ "$end" = . ] || usage "the path was cut"
    case $path in /*) ;; *) refuse_adopt "the path is not absolute" ;; esac
    [ -d "$path" ] || refuse_adopt "the path is no folder"
    source=$(cd -P -- "$path" 2>/dev/null && pwd -P) || refuse_adopt "the folder can't be entered"
    case $source/ in "$ROOT"/*) refuse_adopt "the folder is, or lies in, the host's own folder" ;; esac
    case $ROOT/ in "${source%/}"/*) refuse_adopt "the folder holds the host's own folder" ;; esac
    case $source in *"$NEWLINE"*) refuse_adopt "the path holds a line break" ;; esac
}
# is_adopted VERSION: whether this call, or one like it, came as far as a whole copy.
is_adopted() { [ -f "$kept" ] && printf '%s\n%s\n' "$1" "$source" | cmp -s - "$kept"; }
# measure: what is to be copied, and whether it can be.
measure() {
    odd=$(find "$source" ! -type f ! -type d ! -type l 2>/dev/null | head -n 1)
    [ -z "$odd" ] || refuse_adopt "it holds what is neither file, folder nor link: $(printf %s "$odd" | tr -c ' -~' '?')"
    files=$(find "$source" -type f 2>/dev/null | wc -l)
    links=$(find "$source" -type l 2>/dev/null | wc -l)
    kb=$(du -sk "$source" 2>/dev/null | cut -f1)
    [ -n "$kb" ] || fail 15 io_error "the folder can't be read"
    free=$(free_kb "$ROOT")
    [ "${free:-0}" -ge $((kb + 1024)) ] || fail 14 no_space "needs $((kb + 1024)) KiB, ${free:-0} are free"
}
tell_adopted() {
    [ -n "${kb:-}" ] || measure_again
    printf 'version %s\nkb %s\nfiles %s\nlinks %s\n' "$1" "$((kb))" "$((files))" "$((links))"
}
measure_again() {
    files=$(find "$source" -type f 2>/dev/null | wc -l) links=$(find "$source" -type l 2>/dev/null | wc -l)
    kb=$(du -sk "$source" 2>/dev/null | cut -f1)
    kb=${kb:-0}
}
# same_but_owner DIR: whether DIR is what the folder is; who is not root can't give files away.
same_but_owner() {
    [ -d "$1" ] && [ ! -L "$1" ] && [ "$(tree "$1" | sans_owner)" = "$(tree "$source" | sans_owner)" ]
}
sans_owner() { sed 's/^\([0-9a-f]* [0-9a-f]*:[0-9a-f]*\) [0-9]*:[0-9]* /\1 /' | sha256sum; }
# copy_source VERSION: as a hidden folder first; links are copied as links. What changes meanwhile is refused.
copy_source() {
    ! tree "$source" | grep -q '^! ' || fail 15 io_error "something in the folder can't be read"
    mkdir -p "$releases" 2>>"$LOG" || full_or_io "$ROOT" "cannot make the releases' folder"
    [ ! -e "$release" ] || wipe "$release"
    wipe "$part"
    (umask 0 && cp -RPp -- "$source" "$part") 2>>"$LOG" || full_or_io "$releases" "cannot copy the folder" "$part"
    same_but_owner "$part" || {
        wipe "$part"
        fail 17 digest_mismatch "the folder changes while it is copied: stop the service, or adopt a copy"
    }
    sync_tree "$part" || full_or_io "$releases" "cannot copy the folder" "$part"
    printf '%s\n%s\n' "$1" "$source" | keep "$kept" || exit
    mv -T "$part" "$release" 2>>"$LOG" && sync_path "$releases" || full_or_io "$releases" "cannot finish the release" "$part"
}
