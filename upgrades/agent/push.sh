# Bringing the payload: need, which tells what of it this host lacks, and push.

# Both work in a hidden folder of this task's, the part. It is no truth, only bytes that need not travel again: what an
# earlier try left is taken over, each file of it counts by its digest, and push compares the whole before it is shown.
part_name() { printf 'packages/%s/.%s.%s' "$NEW" "$SERVICE" "$TASK"; }
# is_part PATH: whether it is a part of this service, whichever task's.
is_part() {
    case ${1##*"/.$SERVICE."} in *[./]* | '' | '*') return 1 ;; esac
    [ -d "$1" ] && [ ! -L "$1" ]
}
take_part() {
    final=$ROOT/packages/$NEW/$SERVICE
    part=$ROOT/$(part_name)
    mkdir -p "$ROOT/packages/$NEW" 2>>"$LOG" || full_or_io "$ROOT" "cannot write packages"
    [ -d "$part" ] && [ ! -L "$part" ] || wipe "$part"
    for other in "$final" "$ROOT/packages/$NEW/.$SERVICE."*; do
        [ ! -e "$part" ] || break
        if is_part "$other" || { [ "$other" = "$final" ] && [ -d "$other" ] && [ ! -L "$other" ]; }; then
            mv -T "$other" "$part" 2>>"$LOG" || full_or_io "$ROOT/packages" "cannot go on with an earlier push"
        fi
    done
    [ -z "$(odd_in_part)" ] || wipe "$part"
    mkdir -p "$part" 2>>"$LOG" || full_or_io "$ROOT/packages" "cannot write packages"
    join_rests
}
# odd_in_part: what is neither a file nor a folder of the spec, nor the rest of a file.
odd_in_part() {
    [ -d "$part" ] || return 0
    (
        cd "$part" || exit 1
        find . -type f | sed 's/^/f /'
        find . -type d | sed 's/^/d /'
        find . ! -type f ! -type d | sed 's/^/o /'
    ) 2>>"$LOG" | awk '
        NR == FNR {
            if ($1 != "F") next
            kind[path = "./" $5] = "f"
            while (sub(/\/[^\/]*$/, "", path)) kind[path] = "d"
            next
        }
        $1 != "o" && $2 ~ "^[.]/%rest(/[0-9.]+)?$" {next}
        NF != 2 || kind[$2] != $1 {print; exit}' "$TASK_DIR/spec" -
}
# join_rests: %rest/LINE.OFFSET is what follows the first OFFSET bytes of the spec's file LINE (no package can have that
# name). A call that was killed here left some of it behind the file already.
join_rests() {
    for rest in "$part/%rest"/*; do
        line=${rest##*/}
        offset=${line#*.} line=${line%%.*}
        case $line.$offset in .* | *. | *[!0-9.]* | *.*.*) continue ;; esac
        file=$part/$(spec_files spec | sed -n "${line}s/.* //p")
        [ -f "$file" ] && size=$(($(wc -c <"$file"))) && [ "$size" -ge "$offset" ] || continue
        tail -c "+$((size - offset + 1))" "$rest" 2>>"$LOG" >>"$file" \
            || full_or_io "$part" "cannot write the rest of a file" "$part"
        rm -f "$rest"
    done
    wipe "$part/%rest"
}

# Lists of what is held say `DIGEST  PATH`, from the root. Only names that a package may have are of use; so no name in
# them holds a blank or means something to a shell. find follows no link, and cp -P copies none that came since.
held() {
    version=$(current_version)
    (
        cd "$ROOT" || exit 1
        set -- "$(part_name)"
        [ -z "$version" ] || set -- "$@" "$SERVICE/releases/$version"
        for other in packages/*/"$SERVICE" packages/*/".$SERVICE."*; do
            if [ "$other" != "$1" ] && [ -d "$other" ] && [ ! -L "$other" ]; then set -- "$@" "$other"; fi
        done
        hashes=sha256sum
        if is_bulk && has_openssl && ! has_odd "$@"; then hashes=openssl; fi
        hash_files "$@" -type f
    ) 2>>"$LOG"
}
# plan LIST: which files of the list fill the part, each line for one command: `>FROM TO ./NAME...` (below TO as they
# are below FROM), `/FOLDER/ PATH...` (under their own names) and `=FILE PATH`. So a tree costs only a few commands.
plan() {
    awk -v part="$(part_name)/" '
        function put(key, word) {
            line[key] = line[key] " " word
            if (length(line[key]) > 30000) {print key line[key]; delete line[key]}
        }
        NR == FNR {if ($1 == "F") {path[++n] = $5; sum[n] = $3; want[$5] = $3} next}
        NF != 2 || $2 !~ "^[A-Za-z0-9._+@:/-]+$" {next}
        index($2, part) == 1 {mine[substr($2, length(part) + 1)] = $1}
        {
            any[$1] = name = below = $2
            sub(/^[^\/]*\/[^\/]*\/[^\/]*\//, "", below) # two folders and a version, wherever it lies
            if (want[below] == $1) there[below] = $2
            sub(/.*\//, "", name)
            like[$1, name] = $2
        }
        END {
            for (i = 1; i <= n; i++) {
                if (mine[path[i]] == sum[i]) continue
                name = to = path[i]
                sub(/.*\//, "", name)
                from = (to in there) ? there[to] : like[sum[i], name]
                if (from == "") {
                    if (sum[i] in any) print "=" to, any[sum[i]]
                    continue
                }
                same = ""
                for (k = split("/" to, its, "/"); k > 1; k--) {
                    at = length(from) - length(its[k])
                    if (substr(from, at) != "/" its[k]) break
                    same = "/" its[k] same
                    from = substr(from, 1, at - 1)
                }
                to = substr(to, 1, length(to) - length(same))
                if (same ~ "/.*/") put(">" from " ./" (to == "" ? to : to "/"), "." same)
                else put("/" to "/", from same)
            }
            for (key in line) print key line[key]
        }' "$TASK_DIR/spec" "$1"
}
# fill PLAN: copy as it says. What cannot be copied will be lacking; only a full disk is told.
fill() {
    whole=0 how=-P parents=
    ! cp --reflink=auto "$0" /dev/null 2>/dev/null || how='-P --reflink=auto'
    cd "$ROOT" || return 1
    copies "$1" | awk '{sub(/[^\/]*$/, "")} !seen[$0]++ {print "./" $0}' | (cd "$part" && xargs -r mkdir -p) 2>>"$LOG"
    while read -r to names; do
        # shellcheck disable=SC2086 # words without blanks
        case $to in
            '>'*) copy_below "${to#?}" $names ;;
            *) cp $how $names "$part/${to#?}" ;;
        esac 2>>"$LOG" || whole=1
    done <"$1"
    return "$whole"
}
# copy_below FROM TO ./NAME...: not every cp knows --parents.
# shellcheck disable=SC2086 # words without blanks
copy_below() {
    from=$1 to=$part/$2
    shift 2
    [ -n "$parents" ] || case $(cp --help 2>&1) in *--parents*) parents=yes ;; *) parents=no ;; esac
    if [ "$parents" = yes ]; then
        (cd "$from" && cp $how --parents "$@" "$to")
    else
        (cd "$from" && tar -cf - "$@") | tar -xof - -C "$to"
    fi
}
# copies PLAN: what it makes, from the part.
copies() {
    awk '
        {sub(/^\/\//, "/")}
        /^=/ {print substr($1, 2)}
        /^>/ {for (i = 3; i <= NF; i++) print substr($2, 3) substr($i, 3)}
        /^\// {for (i = 2; i <= NF; i++) {name = $i; sub(/.*\//, "", name); print substr($1, 2) name}}' "$1"
}
# filled PLAN: what the copies are, by their digests.
filled() { copies "$1" | sed "s,^,$(part_name)/," | (cd "$ROOT" && xargs -r sha256sum) 2>>"$LOG"; }
sizes() { (cd "$ROOT" && find "$(part_name)" -type f -exec stat -c '= %s %n' {} +) 2>>"$LOG"; }
# lacking LIST: what the part lacks, from the list of before, and on stdin that of the copies and the sizes. Its lines:
# `drop PATH` for a file that is no use, `need` with the spec's files by their numbers, `have NUMBER BYTES` for one that
# has begun to come, `bytes` to bring. So that the answer stays small, a line of very many numbers ends with one range.
lacking() {
    awk -v part="$(part_name)/" '
        function out() {
            if (first) printf " %s", first == last ? first : first "-" last
            first = 0
        }
        NR == FNR {if ($1 == "F") {path[++n] = $5; sum[n] = $3; size[n] = $4} next}
        $1 == "=" {if (index($3, part) == 1) long[substr($3, length(part) + 1)] = $2; next}
        NF == 2 && index($2, part) == 1 {is[substr($2, length(part) + 1)] = $1}
        END {
            for (i = 1; i <= n; i++) {
                if (is[path[i]] == sum[i]) continue
                bytes += size[i]
                if (!(path[i] in long)) continue
                has = long[path[i]] + 0
                if (has > 0 && has < size[i] + 0 && begun < 100) {
                    have[++begun] = sprintf("have %d %.0f", i, has)
                    bytes -= has
                } else print "drop", path[i]
            }
            printf "need"
            for (i = 1; i <= n; i++) {
                if (is[path[i]] == sum[i] && ranges <= 15000) {out(); continue}
                if (!first) {first = i; ranges++}
                last = i
            }
            out()
            print ""
            for (i = 1; i <= begun; i++) print have[i]
            printf "bytes %.0f\n", bytes
        }' "$TASK_DIR/spec" "$1" -
}

step_need() {
    if is_done push && same_as_spec "$ROOT/packages/$NEW/$SERVICE"; then
        printf 'need\nbytes 0\n'
        return
    fi
    mark need started
    take_part
    held >"$TASK_DIR/.held"
    plan "$TASK_DIR/.held" >"$TASK_DIR/.plan"
    (fill "$TASK_DIR/.plan") || ! is_full "$part" || full_or_io "$part" "cannot copy what is here" "$part"
    { filled "$TASK_DIR/.plan" && sizes; } | lacking "$TASK_DIR/.held" >"$TASK_DIR/.need" 2>>"$LOG"
    # A full disk may have cut it.
    case $(tail -n 1 "$TASK_DIR/.need") in bytes*) ;; *) full_or_io "$STATE" "cannot list what is lacking" ;; esac
    sed -n 's/^drop //p' "$TASK_DIR/.need" | (cd "$part" && xargs -r rm -f) 2>>"$LOG" \
        || fail 15 io_error "cannot remove what is wrong in an earlier push"
    sed '/^drop /d' "$TASK_DIR/.need" | answer need
    rm -f "$TASK_DIR/.held" "$TASK_DIR/.plan" "$TASK_DIR/.need"
}

step_push() {
    if is_done push && same_as_spec "$ROOT/packages/$NEW/$SERVICE"; then
        cat >/dev/null
        cat "$TASK_DIR/push.result"
        return
    fi
    mark push started
    take_part
    receive || {
        # What a cut stream brought stays, and counts the next time; on a full disk it does not.
        is_full "$part" || fail 15 io_error "the payload was cut or cannot be written"
        full_or_io "$part" "the payload cannot be written" "$part"
    }
    join_rests
    set_modes "$part" || full_or_io "$part" "the payload cannot be written" "$part"
    same_as_spec "$part" "$TASK_DIR/.came" || fail 17 digest_mismatch "the pushed payload is not what the package lists"
    sync_tree "$part" && wipe "$final" && mv -T "$part" "$final" 2>>"$LOG" && sync_path "$ROOT/packages/$NEW" \
        || full_or_io "$ROOT/packages" "cannot finish the push" "$part"
    # What earlier tries left has served.
    for other in "$ROOT"/packages/*/".$SERVICE."*; do
        ! is_part "$other" || wipe "$other"
        rmdir "${other%/*}" 2>/dev/null
    done
    echo "bytes $(spec_files spec | awk '{n += $3} END {printf "%.0f", n}')" | answer push
}
