#!/bin/bash
# Written before each run. By hand: bash /home/me/qnn/build/.cache/vivado/digest/.run/run.sh
here=/home/me/qnn/build/.cache/vivado/digest
tool=(/tools/Xilinx/Vivado/2024.2/bin/vivado -mode batch -source synth.tcl)
settings=(/tools/Xilinx/Vivado/2024.2/settings64.sh)
contained=yes
patience=60
set_environment() {
    export PIPELINE_JOBS=4
    export WORDS='it'"'"'s a "$HOME"'
    export XILINXD_LICENSE_FILE=2100@server
}

# Whatever ends the build that started this run, this run ends as well: also if the build was killed
# or its connection to this machine was lost. The build shows that it lives in two ways. It holds a
# lock, which the kernel frees at its end; that tells a run on the same kernel, in a container too.
# And it writes a number into a file every few seconds; that tells a run on any other machine.
# The arguments: the word by which this run knows its build; none if a user starts it by hand.

cd -- "$here" || { echo "ERROR: [run.sh] $here is not there on $(uname -n)"; exit 73; }

refuse() {
    echo "ERROR: [run.sh] on $(uname -n): $1"
    exit 73
}

for program in flock grep sleep tr; do
    type "$program" >/dev/null 2>&1 || refuse "there is no $program; install util-linux, grep, coreutils"
done

# All that the run starts inherits this lock. So it is free exactly when nothing of the run is left.
exec 9>>.run/tools.lock
flock -w 120 9
case $? in
0) ;;
1) refuse "an earlier run still works in $here; end it, then try again" ;;
*) echo "WARNING: [run.sh] $here: this file system has no locks" ;;
esac

lives() {
    local word='' kernel='' beat=''
    read -r word kernel beat 2>/dev/null <.run/build
    if [ -n "$word" ] && [ "$word" != "$1" ]; then return 1; fi # it has ended, in order
    if [ "$kernel" = "$(</proc/sys/kernel/random/boot_id)" ]; then
        (flock -s -w 1 -E 7 8) 8<.run/build.lock 9>&-
        case $? in
        7) return 0 ;;
        0) return 1 ;;
        esac # any other: this file system has no locks
    fi
    if [ "$beat" != "$last" ]; then last=$beat silent=0; fi
    silent=$((silent + 1))
    sleep 1 9>&-
    [ "$silent" -le "$patience" ]
}

# Kills all that the run has started: it is marked in its environment, whatever its parent is.
end_tools() {
    local numbers
    # shellcheck disable=SC2034 # ten rounds, for one of them may just start another
    for round in 1 2 3 4 5 6 7 8 9 10; do
        [ -z "$tool_process" ] || kill -KILL "$tool_process" 2>/dev/null
        numbers=$(grep -lszxF "PIPELINE_RUN_IN=$here" /proc/[0-9]*/environ | tr -dc '0-9\n')
        [ -n "$numbers" ] || return
        # shellcheck disable=SC2086 # these are several numbers
        kill -KILL $numbers 2>/dev/null
        sleep 0.1
    done
}

end() {
    trap '' TERM INT HUP
    end_tools
    [ -z "$watcher" ] || kill -KILL "$watcher" 2>/dev/null
    exit "$1"
}

tool_process='' watcher=''
trap 'end 143' TERM
trap 'end 130' INT
trap 'end 129' HUP

(
    if [ "$contained" = yes ]; then
        export HOME="$here/.run/home" USER=builder LOGNAME=builder
        mkdir -p "$HOME"
        # without it, the licence library of the vendor crashes in a container
        for library in /lib/x86_64-linux-gnu/libudev.so.1 /usr/lib64/libudev.so.1; do
            if [ -e "$library" ]; then export LD_PRELOAD=$library && break; fi
        done
    fi
    export TMPDIR="$here/.run/tmp"
    # Vivado crashes with a locale that the system lacks (m-labs/migen, issue 183)
    case $(locale -a 2>/dev/null) in
    *C.UTF-8* | *C.utf8*) export LC_ALL=C.UTF-8 ;;
    *) export LC_ALL=C ;;
    esac
    rm -rf "$TMPDIR"
    mkdir -p "$TMPDIR"
    unset PYTHONHOME PYTHONPATH # Vitis brings a Python of its own
    for file in "${settings[@]}"; do
        # shellcheck disable=SC1090 # it is the vendor's
        if [ -r "$file" ]; then . "$file"; fi
    done
    set_environment
    export PIPELINE_RUN_IN="$here"
    exec "${tool[@]}"
) </dev/null &
tool_process=$!

if [ $# -gt 0 ]; then
    (
        trap - TERM INT HUP
        last='' silent=0
        while lives "$1" && kill -0 $$; do :; done
        end_tools
        kill -KILL $$
    ) >/dev/null 2>&1 </dev/null &
    watcher=$!
    wait -n "$tool_process" "$watcher" 2>/dev/null
    if kill -0 "$tool_process" 2>/dev/null; then
        echo "ERROR: [run.sh] the process that watches this run was killed; so the run ends"
        end 70
    fi
fi
wait "$tool_process"
code=$?
tool_process=''
end $code
