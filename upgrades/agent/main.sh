# The call: agent STEP CLUSTER TERM TASK SERVICE [NAME [force | dry]]

[ $# -ge 5 ] || usage "step cluster term task service"
for word in "$@"; do plain "$word"; done
STEP=$1
STATE=$(cd -P "$(dirname "$0")" && pwd) || exit 1
ROOT=${STATE%/*}
case $3 in
    *[!0-9]* | ????????????????*) usage "bad term" ;;
esac
take_lock
case $STEP in
    fence | rollback | remove_backup | take_over) use_reserve ;;
esac
if [ "$STEP" = take_over ]; then
    case $#${7:+$7} in 6 | 7force) ;; *) usage "take_over cluster term - - owner [force]" ;; esac
    step_take_over "$2" "$3" "$6" "${7:-}"
    exit 0
fi
check_fence "$2" "$3"

case $STEP in
    fence)
        echo "fence $2 $3"
        echo "protocol $PROTOCOL"
        exit 0
        ;;
    inspect)
        TASK=$4
        [ "$TASK" = - ] || component "$TASK"
        step_inspect
        exit 0
        ;;
    log)
        step_log "$4"
        exit 0
        ;;
    adopt)
        case $#${7:+$7} in 6 | 7dry) ;; *) usage "adopt cluster term - service version [dry]" ;; esac
        component "$5"
        component "$6"
        SERVICE=$5
        TASK=adopt
        step_adopt "$6" "${7:-}"
        exit 0
        ;;
    check_backup | remove_backup)
        [ $# -eq 6 ] || usage "$STEP needs a name"
        component "$6"
        "step_$STEP" "$6"
        exit 0
        ;;
    spec | need | push | backup | check | stage | drain | activate | verify | undrain | rollback | commit | cleanup)
        begin_task "$4" "$5"
        ;;
    *) usage "unknown step $STEP" ;;
esac
if [ "$STEP" != spec ]; then
    [ -f "$TASK_DIR/spec" ] || usage "no spec"
    OLD=$(sed -n 's/^from //p' "$TASK_DIR/spec")
    NEW=$(sed -n 's/^version //p' "$TASK_DIR/spec")
    component "$OLD"
    component "$NEW"
fi
case $STEP in
    stage | drain | activate) [ "$OLD" != "$NEW" ] || usage "this task only makes a backup" ;;
esac
case $STEP in
    backup)
        [ $# -eq 6 ] || usage "backup needs a name"
        step_backup "$6"
        ;;
    *) "step_$STEP" ;;
esac
