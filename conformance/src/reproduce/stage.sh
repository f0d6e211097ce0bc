# shellcheck shell=sh disable=SC2016,SC2154 # Filters of jq, and shells of others, expand by themselves; the script sets what is not set here.
# What reproduce.sh stands on: a place of its own, words for its steps, and a look at what came of them.
#
# It runs in new pid, mount, uts, ipc, network and cgroup namespaces, with copies of the bundle and the hooks on a tmpfs
# at $base, and in cgroups of its own; of all that an empty directory $base stays. What the container's program saw it says itself:
# it writes records into $base/journal, which is mounted in the container as /.ocf (or is its standard output).

base=/run/ocf-conformance
here=$(cd "$(dirname "$0")" && pwd)

stop() {
    echo "reproduce.sh: $*" >&2
    exit 2
}

# The cgroup hierarchies: mount point, type, and the options of the file system.
hierarchies() {
    awk '$5 ~ "^/sys/fs/cgroup" {
        for (i = 7; $i != "-"; i++);
        if ($(i + 1) ~ /^cgroup2?$/ && !seen[$5]++) print $5, $(i + 1), $(i + 3)
    }' /proc/self/mountinfo
}

# A hierarchy's name, of the options of its file system: its controllers.
controllers() {
    echo "$1" | tr , '\n' |
        grep -Evx 'rw|ro|seclabel|xattr|noprefix|clone_children|cpuset_v2_mode|release_agent=.*|nsdelegate|memory_.*|favordynmods' |
        paste -sd , -
}

# First, on the host: cgroups of our own. They are removed at the end, whatever is in them by then.
on_the_host() {
    [ "$(id -u)" = 0 ] || stop "it takes root"
    for tool in awk flock jq prlimit timeout unshare; do
        command -v "$tool" >/dev/null || stop "it takes $tool"
    done
    runtime=$(command -v "${1:-$default}") || stop "${1:-$default}: no such program"
    case $runtime in /*) ;; *) runtime=$PWD/$runtime ;; esac
    export OCF_CGROUP="ocf-reproduce-$$"
    points=$(hierarchies | cut -d ' ' -f 1)
    trap sweep EXIT
    trap 'exit 2' HUP INT TERM
    register
    for point in $points; do
        for cgroup in "$point/$OCF_CGROUP" "$point/$OCF_CGROUP/script"; do
            mkdir "$cgroup" || stop "no cgroup can be made in $point"
            # A cpuset of version 1 takes nobody in before it has processors and memory.
            for file in cpuset.cpus cpuset.mems; do
                if [ -e "$point/$file" ]; then cat "$point/$file" >"$cgroup/$file"; fi
            done 2>/dev/null
        done
    done
    (
        for point in $points; do echo 0 >"$point/$OCF_CGROUP/cgroup.procs" || exit 2; done
        OCF_STAGE=cgroup exec unshare --cgroup sh "$here/reproduce.sh" "$runtime" 9<&-
    )
    exit $?
}

# Among the runs of `ocf`, which then leave the place of our stage where it is (to remove it would unmount what is
# mounted there in other namespaces); and `ocf clean` sweeps what a killed script has left.
register() {
    registered=$base/$OCF_CGROUP
    until
        mkdir -p "$base" && command exec 8<"$base" && flock 8 && mkdir -m 700 "$registered"
    do
        [ ! -d "$registered" ] || stop "$registered is there already: ocf clean removes it"
    done 2>/dev/null
    exec 9<"$registered"
    flock -n 9 || stop "$registered can't be locked"
    exec 8<&-
    for point in $points; do echo "$point/$OCF_CGROUP"; done >"$registered/cgroups"
}

sweep() {
    tries=0
    for point in $points; do
        own=$point/$OCF_CGROUP
        while [ -d "$own" ] && [ "$tries" -lt 100 ]; do
            # What is frozen dies only when it is thawed.
            find "$own" -name freezer.state | while read -r file; do echo THAWED >"$file"; done
            find "$own" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.05
            tries=$((tries + 1))
        done
        [ ! -d "$own" ] || return 0
    done
    rm -r "$registered"
    flock "$base" rmdir --ignore-fail-on-non-empty "$base"
}

# Second: the cgroup namespace's root is our cgroup, and we sit in a leaf beside which the runtime makes its own.
in_the_cgroup() {
    for point in $(hierarchies | cut -d ' ' -f 1); do
        own=$point/$OCF_CGROUP
        echo 0 >"$own/script/cgroup.procs" || stop "$own takes nobody in"
        if [ -e "$own/cgroup.subtree_control" ]; then
            tr ' ' '\n' <"$own/cgroup.controllers" | while read -r controller; do
                echo "+$controller" >"$own/cgroup.subtree_control"
            done
        fi
    done
    OCF_STAGE=inside exec unshare --mount --uts --ipc --net --pid --fork --kill-child --mount-proc \
        sh "$here/reproduce.sh" "$1"
}

# Third: the file systems.
inside() {
    runtime=$1
    list=$(hierarchies)
    echo "$list" | while read -r point type options; do
        umount -l "$point"
        case $type,$options in
        cgroup2,*) mount -t cgroup2 cgroup2 "$point" ;;
        *name=*) mount -t cgroup -o "none,$(controllers "$options")" cgroup "$point" ;;
        *) mount -t cgroup -o "$(controllers "$options")" cgroup "$point" ;;
        esac || stop "no cgroup file system on $point"
    done
    hostname ocf-host
    mount -t tmpfs -o mode=755 tmpfs "$base" || stop "no tmpfs on $base"
    for part in "$here"/bundle* "$here"/hooks; do
        if [ -d "$part" ]; then cp -a "$part" "$base/"; fi
    done
    mkdir -p "$base/host" "$base/hooks" "$base/state" "$base/output" "$base/steps" "$base/look"
    : >"$base/journal"
    # There are runtimes that give whatever stdin is to the container's user.
    mknod "$base/null" c 1 3 && chmod 666 "$base/null" && mount --bind "$base/null" /dev/null
}

# The state of the process that calls the runtime; a script may have its own.
as_caller() {
    (
        umask 022
        cd "$base" || exit 125
        exec timeout --foreground 20 env -i --default-signal PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
    )
}

# call STEP VERB CONTAINER WORD...: the runtime with these words, how it ended, and for start and run all that the
# container's program says at once.
call() {
    step=$1 verb=$2 container=$3
    shift 3
    echo "+ ${runtime##*/} $*"
    mark call "$step"
    out=$base/output/$step.out err=$base/output/$step.err
    if [ "${stdout:-}" = journal ] && { [ "$verb" = create ] || [ "$verb" = run ]; }; then
        : >"$out"
        as_caller ${via:+"$via"} "$runtime" "$@" <"${stdin:-/dev/null}" >>"$base/journal" 2>"$err"
    else
        as_caller ${via:+"$via"} "$runtime" "$@" <"${stdin:-/dev/null}" >"$out" 2>"$err"
    fi
    code=$?
    mark return "$step"
    echo "  exit status $code"
    sed 's/^/  | /' "$out" "$err"
    jq -n --arg verb "$verb" --argjson code "$code" --rawfile out "$out" --rawfile err "$err" \
        '{verb: $verb, code: $code, failed: ($code != 0), timeout: ($code == 124), stdout: $out, stderr: $err}
        + ($out | try {json: fromjson} catch {})' >"$base/steps/$step"
    case $code$verb in 0start | 0run) await "$(writer "$container") reported $step" "$container" ;; esac
}

# A record of our own in the journal, whose order is that of all that happens.
mark() {
    printf '{"nonce":"","writer":"harness","event":"%s","step":"%s"}\n' "$1" "$2" >>"$base/journal"
}

# taken STEP: a step that is no call was taken.
taken() {
    echo '{"failed": false}' >"$base/steps/$1"
}

writer() {
    if [ "$1" = main ]; then echo process; else echo "process:$1"; fi
}

# The pid of a container's process, as the runtime wrote it.
pid_of() {
    cat "$base/output/$1.pid" 2>/dev/null || echo none
}

alive() {
    [ -e "/proc/$1/stat" ] && ! grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status"
}

# tell NONCE INSTRUCTION: an order to a program that waits for orders.
tell() {
    printf '{"to":"%s","order":"%s"}\n' "$1" "$2" >>"$base/journal"
}

# await LABEL [CONTAINER]: until it stands in the journal, or the container is no more.
await() {
    tries=0
    while [ "$tries" -lt 200 ]; do
        gone=no
        if [ -n "${2:-}" ] && ! alive "$(pid_of "$2")"; then gone=yes; fi
        if seen '.journal | has($ARGS.named.label)' --arg label "$1" | grep -qx true; then return 0; fi
        if [ "$gone" = yes ]; then return 1; fi
        sleep 0.05
        tries=$((tries + 1))
    done
    return 1
}

# gone CONTAINER: until its process is no more.
gone() {
    tries=0
    while alive "$(pid_of "$1")" && [ "$tries" -lt 200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}

# appears PATH: until something stands there.
appears() {
    tries=0
    while [ ! -e "$1" ] && [ "$tries" -lt 200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}

# write PATH TEXT, append PATH TEXT: a file, its directory made first.
write() {
    mkdir -p "${1%/*}" && printf '%s' "$2" >"$1"
}
append() {
    mkdir -p "${1%/*}" && printf '%s' "$2" >>"$1"
}

# cgroup PATH CONTROLLER yes|no: a cgroup in the controller's hierarchy, or in all; with a process in it, or without.
cgroup() {
    if [ "$3" = yes ]; then
        sleep 1000 &
        occupant=$!
    fi
    hierarchies | while read -r point type options; do
        name=$(controllers "$options")
        if [ "$type" = cgroup2 ]; then name=unified; fi
        case ",$2,$name," in ,all,* | *",$2,"*",$2,"*) ;; *) continue ;; esac
        mkdir -p "$point/$1"
        if [ "$3" = yes ]; then echo "$occupant" >"$point/$1/cgroup.procs"; fi
    done
}

# namespace TYPE FILE PATH [HOSTNAME]: a new namespace of this type, its file in /proc/PID/ns bound on PATH.
namespace() {
    mkdir -p "${3%/*}" && : >"$3"
    case $1 in
    network) set -- net "$2" "$3" ;;
    pid) set -- 'pid --fork' "$2" "$3" ;;
    time) set -- 'time --fork' "$2" "$3" ;;
    uts) set -- uts "$2" "$3" "${4:-ocf-host}" ;;
    esac
    # shellcheck disable=SC2086 # Several words where there are any.
    unshare --$1 sh -c 'if [ -n "$1" ]; then hostname "$1"; fi; : >"$0"; exec sleep 1000' "$base/look/ready-$$" "${4:-}" &
    holder=$!
    appears "$base/look/ready-$$"
    rm -f "$base/look/ready-$$"
    mount --bind "/proc/$holder/ns/$2" "$3"
}

# listen PATH: a Unix socket on which somebody listens.
listen() {
    perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Local => shift, Listen => 8) or die; sleep 1000' "$1" &
    appears "$1"
}

# look MOMENT CONTAINER [PATH...]: what can be seen from outside.
look() {
    moment=$1 pid=$(pid_of "$2")
    shift 2
    {
        echo '{}'
        jq -n --argjson it "$(process "$pid")" '{process: $it}'
        jq -n --argjson it "$(cgroup_files "$pid")" '{cgroup: $it}'
        jq -n --argjson it "$(cgroup_list)" '{cgroups: $it}'
        for path in "$base"/state/*; do
            if [ -e "$path" ]; then jq -n --arg name "${path##*/}" '{"state-root": {($name): true}}'; fi
        done
        for path in "$@"; do path_facts "$path" "$(printf %s "$path" | sed "s|^\${host}|$base/host|; s|^\${bundle}|$base/bundle|; s|^\${rootfs}|$base/bundle/rootfs|")"; done
    } | jq -s 'reduce .[] as $it ({"state-root": {}, paths: {}}; . * $it)' >"$base/look/$moment.json"
}

process() {
    if [ "$1" = none ]; then
        echo '{"$unreadable": "the runtime told no pid"}'
    elif alive "$1"; then
        jq -n --argjson pid "$1" --argjson namespaces "$(namespaces "$1")" --argjson cgroups "$(cgroups "$1")" \
            --argjson badness "$(cat "/proc/$1/oom_score_adj")" --rawfile uids "/proc/$1/uid_map" --rawfile gids "/proc/$1/gid_map" \
            '{pid: $pid, alive: true, namespaces: $namespaces, cgroups: $cgroups, "oom-score-adj": $badness,
            "uid-map": ($uids | sub("^\\s+"; "") | sub("\\s+$"; "")), "gid-map": ($gids | sub("^\\s+"; "") | sub("\\s+$"; ""))}'
    else
        jq -n --argjson pid "$1" '{pid: $pid, alive: false}'
    fi
}

# The inodes of a process's namespaces.
namespaces() {
    for file in "/proc/$1/ns"/*; do
        case $file in *_for_children) continue ;; esac
        jq -n --arg name "${file##*/}" --argjson inode "$(stat -L -c %i "$file")" '{($name): $inode}'
    done | jq -s add
}

# Controller and path of each of a process's cgroups.
cgroups() {
    jq -nR '[inputs | split(":") | (.[1] | sub("^name="; "") | split(",") | if . == [] then ["unified"] else . end) as $names
        | .[2:] | join(":") as $path | $names[] | {(.): $path}] | add' <"/proc/$1/cgroup"
}

# The text of each file of a process's cgroups.
cgroup_files() {
    if [ "$1" = none ] || ! alive "$1"; then
        echo '{"$unreadable": "there is no process"}'
        return
    fi
    hierarchies | while read -r point type options; do
        name=$(controllers "$options" | sed 's/^name=//')
        if [ "$type" = cgroup2 ]; then name=unified; fi
        directory=$point$(cgroups "$1" | jq -r --arg name "${name%%,*}" '.[$name] // "/"')
        for file in "$directory"/*.*; do
            if text=$(timeout 1 head -c 4096 "$file" 2>/dev/null); then jq -n --arg name "${file##*/}" --arg text "$text" '{($name): $text}'; fi
        done
    done | jq -s 'add // {}'
}

# Every cgroup but the script's own, with how many processes it has.
cgroup_list() {
    hierarchies | while read -r point type options; do
        name=$(controllers "$options" | sed 's/^name=//')
        if [ "$type" = cgroup2 ]; then name=unified; fi
        find "$point" -mindepth 1 -type d ! -path "$point/script" ! -path "$point/script/*" | while read -r directory; do
            jq -n --arg name "$name:/${directory#"$point"/}" --argjson count "$(wc -l <"$directory/cgroup.procs")" '{($name): {processes: $count}}'
        done
    done | jq -s 'add // {}'
}

# Kind, owner and text of a path of the host.
path_facts() {
    if [ ! -e "$2" ] && [ ! -L "$2" ]; then return; fi
    kind=$(stat -c %F "$2" | sed 's/^regular.*/file/; s/^symbolic link/symlink/; s/ special file$//; s/ file$//')
    # shellcheck disable=SC2046 # Words.
    set -- "$1" "$2" $(stat -c '%u %g' "$2") "$((0$(stat -c %a "$2")))"
    text=
    if [ "$kind" = file ]; then text=$(cat "$2"; echo .); fi
    jq -n --arg name "$1" --arg kind "$kind" --argjson uid "$3" --argjson gid "$4" --argjson mode "$5" --arg text "${text%.}" \
        '{paths: {($name): ({type: $kind, uid: $uid, gid: $gid, mode: $mode} + if $kind == "file" then {text: $text} else {} end)}}'
}

# What the runtime's caller has, which a container may inherit.
before() {
    as_caller /bin/sh -c 'umask; cat /proc/self/oom_score_adj; id -u; id -g' >"$base/look/caller"
    {
        jq -nR '[inputs] | {umask: (.[0] | explode | map(. - 48) | reduce .[] as $digit (0; . * 8 + $digit)),
            "oom-score-adj": (.[1] | tonumber), uid: (.[2] | tonumber), gid: (.[3] | tonumber)}' <"$base/look/caller"
        jq -n --argjson it "$(namespaces self)" '{namespaces: $it}'
        jq -n --argjson it "$(cgroups self)" '{cgroups: $it}'
        jq -n --arg name "$(hostname)" --arg domain "$(cat /proc/sys/kernel/domainname)" '{hostname: $name, domainname: $domain}'
        jq -n --rawfile text /proc/self/mountinfo '{mountinfo: $text}'
        as_caller prlimit --raw --noheadings --output RESOURCE,SOFT,HARD | jq -nR '{limits: ([inputs | split(" ")
            | {("RLIMIT_" + .[0]): (.[1:] | map(if . == "unlimited" then 18446744073709551615 else tonumber end) | {soft: .[0], hard: .[1]})}] | add)}'
    } | jq -s add >"$base/look/before"
}

# seen FILTER [OPTION...]: asks jq of all that was seen.
seen() {
    filter=$1
    shift
    join() { for file in "$@"; do if [ -e "$file" ]; then jq -n --arg name "$(basename "$file" .json)" --slurpfile it "$file" '{($name): $it[0]}'; fi; done | jq -s 'add // {}'; }
    jq -nrc "$@" --rawfile journal "$base/journal" --argjson steps "$(join "$base"/steps/*)" \
        --argjson host "$(join "$base"/look/*.json)" --argjson before "$(cat "$base/look/before")" \
        "$(cat "$here/facts.jq") facts | $filter"
}

# expect STEP FACT MATCHER: what had to be seen once the step was taken. The script ends here.
expect() {
    verdict=$(seen 'judge($ARGS.named.step; $ARGS.named.fact; $ARGS.named.matcher)' --arg step "$1" --arg fact "$2" --argjson matcher "$3")
    printf '\nexpected of %s: %s\nseen:     %s\n' "$2" "$3" "${verdict#* }"
    case ${verdict%% *} in
    broken) echo "BROKEN" && exit 1 ;;
    kept) echo "kept" && exit 0 ;;
    *) stop "nothing can be said: it did not come to this" ;;
    esac
}

case ${OCF_STAGE:-} in
'') on_the_host "$@" ;;
cgroup) in_the_cgroup "$@" ;;
inside) { inside "$@" && before; } || stop "the stage can't be set" ;;
esac
