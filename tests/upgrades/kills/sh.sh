#!/bin/bash
# Stands before the real `sh` of a host. It counts a run's calls of the host-side script and, once, at the call that
# `point` names (`<number> <before|inside|after> <seconds>`), sends the manager the signal that `signal` names.
here=${0%/*}
real=$(cat "$here/real")
[ "${1-}" = "$(cat "$here/root")/.sysmgr/agent" ] || exec $real "$@"
# A run begins with the fence; what comes before is the leader's look at all hosts.
[ -s "$here/calls" ] || [ "$2" = fence ] || exec $real "$@"
echo "$2" >>"$here/calls"
read -r number phase seconds 2>/dev/null <"$here/point"
[ "$(wc -l <"$here/calls")" = "${number-}" ] && mkdir "$here/taken" 2>/dev/null || exec $real "$@"
hit() { kill "-$(cat "$here/signal")" "$(cat "$here/manager")"; }
case $phase in
    before)
        hit
        # Of a manager that is only frozen the call still comes to the host: when somebody else has driven the run.
        if [ "$(cat "$here/signal")" != KILL ]; then
            tries=0
            until [ -e "$here/go" ] || [ "$tries" -gt 1200 ]; do
                tries=$((tries + 1))
                sleep 0.1
            done
            $real "$@" >"$here/said"  # who asked may be gone by now
            code=$?
            echo "$code" >"$here/late.new" && mv "$here/late.new" "$here/late"
            exit "$code"
        fi
        exit 137
        ;;
    inside)
        $real "$@" <&0 &
        child=$!
        sleep "$seconds"
        hit
        wait "$child"
        ;;
    after)
        $real "$@"
        code=$?
        hit
        exit "$code"
        ;;
esac
