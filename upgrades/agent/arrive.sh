# Large files: hashed and synced while they arrive, so that little is left to do when the stream ends.

LARGE=8388608 ROUND=16777216 BLOCK=1048576 openssl=

# weigh SPEC: note whether the payload is a bulk: 32 MiB are worth the start of what follows here.
weigh() { [ "$(awk '$1 == "F" {n += $4} END {print (n >= 33554432)}' "$1")" = 0 ] || echo yes | keep "$TASK_DIR/bulk"; }
is_bulk() { [ -f "$TASK_DIR/bulk" ]; }
# has_openssl: whether it is there and answers as it should. It hashes several times as fast as many a sha256sum.
has_openssl() {
    if [ -z "$openssl" ]; then
        openssl=no
        case $(openssl dgst -sha256 -r </dev/null 2>/dev/null) in
            e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\ *) openssl=yes ;;
        esac
    fi
    [ "$openssl" = yes ]
}
# has_odd: whether a name below these folders is none that a package may have: those only sha256sum tells unmistakably.
has_odd() { [ -n "$(find "$@" -path '*[!A-Za-z0-9._+@:/-]*' 2>>"$LOG" | head -n 1)" ]; }
# hash_files FIND'S ARGUMENTS: `DIGEST  PATH` of these files.
hash_files() {
    if [ "$hashes" = sha256sum ]; then
        find "$@" -exec sha256sum {} +
    else
        find "$@" -exec openssl dgst -sha256 -r {} + | sed 's/ \*/  /'
    fi
}
# sums [KNOWN]: `DIGEST  PATH` of every file in this folder; those in the list KNOWN are taken from there.
sums() {
    hashes=sha256sum but=
    if is_bulk && has_openssl && ! has_odd .; then hashes=openssl; fi
    if [ -s "${1:-}" ]; then
        cat "$1"
        but=$(sed 's/^[^ ]* */! -path /' "$1")
    fi
    # shellcheck disable=SC2086 # no name in a spec holds what a shell would split or expand
    hash_files . -type f $but
}

# receive: unpack stdin as the part; .came lists the large files of which the digest is right by then.
receive() {
    unpacks='tar -xf -'
    rm -f "$TASK_DIR/.came"
    is_bulk && coming >"$TASK_DIR/.coming" 2>>"$LOG"
    if ! [ -s "$TASK_DIR/.coming" ] || ! true 2>>"$LOG" >"$TASK_DIR/.arriving"; then
        $unpacks -C "$part" 2>>"$LOG"
        return
    fi
    # In blocks of 10 KiB tar takes twice the time.
    case $(tar --version 2>/dev/null) in *GNU*) unpacks='tar -b 256 -xf -' ;; esac
    if has_openssl; then sum='openssl dgst -sha256 -r'; else sum=sha256sum; fi
    sleeps_parts && nap=0.1 || nap=1
    early=true
    [ -n "$(sync -d "$0" 2>&1)" ] || early='sync -d'
    exec 3<&0
    {
        $unpacks -C "$part" 2>>"$LOG"
        code=$?
        rm -f "$TASK_DIR/.arriving"
        exit "$code"
    } <&3 3<&- &
    unpacking=$!
    exec 3<&- </dev/null
    while read -r digest size path; do
        # Only what is right is noted: anything else is hashed once more, when all has come.
        case $(follow "$part/$path" "$size" | $sum) in "$digest "*) printf '%s  ./%s\n' "$digest" "$path" ;; esac
    done <"$TASK_DIR/.coming" >"$TASK_DIR/.came" 2>>"$LOG"
    wait "$unpacking"
}
# coming: digest, size and path of the large files of which nothing is here yet; of very many the first ones.
coming() {
    awk -v least="$LARGE" '$1 == "F" && $4 + 0 >= least && ++n <= 100 {print $3, $4, $5}' "$TASK_DIR/spec" \
        | while read -r digest size path; do
            [ -e "$part/$path" ] || printf '%s\n' "$digest $size $path"
        done
}
# arriving: whether the stream goes on. The process alone does not tell: where nobody waits for it, a zombie may stay.
arriving() { [ -f "$TASK_DIR/.arriving" ] && kill -0 "$unpacking" 2>/dev/null; }
# follow FILE SIZE: what is in the file, while it grows to this size or to the stream's end; synced on the way.
follow() {
    at=0 goes=yes
    while [ "$goes" = yes ]; do
        arriving || goes=no # before the size: what is there by then is all
        here=$(stat -c %s "$1" 2>/dev/null) || here=0
        [ "$here" -lt "$2" ] || goes=no
        if [ $((here - at)) -ge "$ROUND" ]; then
            $early "$1" 2>/dev/null &
            dd if="$1" bs="$BLOCK" skip=$((at / BLOCK)) count=$(((here - at) / BLOCK)) 2>/dev/null
            at=$((here - here % BLOCK))
            wait
        elif [ "$goes" = yes ]; then
            sleep "$nap"
        fi
    done
    tail -c "+$((at + 1))" "$1" 2>/dev/null
}
