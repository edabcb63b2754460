# shellcheck shell=sh disable=SC2329 # not every script calls every function
# Begins each script that runs on a board. A board has sh, tar, timeout, sha256sum and flock.
# QNN_BOARD_ROOT: the root folder of a virtual board; empty on a real one.
set -u
umask 022
export LC_ALL=C
unset CDPATH
board_root=${QNN_BOARD_ROOT-}
password=

# read_password WORD: takes sudo's password, the first line of the input, if there is one.
read_password() { if [ "$1" = password ]; then IFS= read -r password; fi; }

# The last line: how it ended (ok or the kind of failure), and a few words or a number.
finish() {
    detail=$(printf '%s' "${2-}" | tr '\n\t\134"' "  /'" | tr -d '\000-\037\177')
    printf '@status {"kind": "%s", "detail": "%s"}\n' "$1" "$detail"
    [ "$1" = ok ]
    exit
}

# The folder of our files: absolute, or below the user's home.
folder() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$HOME/$1" ;;
    esac
}

# A redirection that fails would end the shell without a word if it stood at exec.
require_writable() { true 2>/dev/null >>"$1" || finish cannot_write "$1"; }

# Only for moments, to change names; nothing is locked while files travel. The lock goes with the
# process, however that ends.
lock() {
    require_writable "$root/lock"
    exec 9>>"$root/lock"
    flock -w 30 9 || finish locked "$root/lock"
}
unlock() { exec 9>&-; }

# A new folder $incoming, which goes with this process. Those of transfers that were cut go now.
begin_incoming() {
    mkdir -p "$root/incoming" "$root/releases" "$root/testsets" 2>/dev/null ||
        finish cannot_write "$root"
    lock
    for old in "$root"/incoming/*/; do
        [ -d "$old" ] || continue
        if (flock -n 8) 8>>"${old}lock"; then rm -rf "$old"; fi
    done 2>/dev/null
    incoming=$(mktemp -d "$root/incoming/XXXXXXXX") || finish cannot_write "$root/incoming"
    exec 8>"$incoming/lock"
    flock 8
    unlock
    trap 'rm -rf "$incoming"' EXIT
    trap 'exit 1' HUP INT TERM PIPE
}

# require_space BYTES: with a reserve, so that a board never runs full because of us
require_space() {
    free=$(df -Pk "$root" | awk 'NR == 2 { print $4 }')
    need=$(($1 / 1024 + 16384))
    [ "$free" -ge "$need" ] || finish no_space "$((need / 1024)) MiB wanted, $((free / 1024)) MiB free"
}

# intact FOLDER: whether its files are as they were sent
intact() { (cd "$1" && sha256sum -c .sums >/dev/null 2>&1); }

# point NAME: makes a release the current one, in one step
point() {
    rm -f "$root/.current.new"
    if ! ln -s "releases/$1" "$root/.current.new" ||
        ! mv -T -f "$root/.current.new" "$root/current"; then
        finish cannot_write "$root/current"
    fi
}

# activate NAME KEEP: makes a release the current one, and removes all but the latest KEEP. The order
# is kept in a file, since a board without a battery does not know the time.
activate() {
    point "$1"
    {
        [ ! -f "$root/history" ] || grep -v -x -F -e "$1" "$root/history"
        printf '%s\n' "$1"
    } >"$root/.history"
    tail -n "$2" "$root/.history" >"$root/.kept"
    mv -f "$root/.kept" "$root/history" || finish cannot_write "$root/history"
    rm -f "$root/.history"
    for old in "$root"/releases/*/; do
        old=${old%/}
        grep -q -x -F -e "${old##*/}" "$root/history" && continue
        # what was run as root may have left files of root's
        rm -rf "$old" 2>/dev/null || sudo -n rm -rf "$old" 2>/dev/null ||
            printf 'cannot remove the old release %s\n' "$old"
    done
}

current() { readlink "$root/current" 2>/dev/null | sed 's|^releases/||'; }

# as_root COMMAND...: runs it as root in the environment of a login shell. bash, where there is one:
# the profiles of PYNQ are written for it.
as_root() {
    login=$(command -v bash || command -v sh)
    # shellcheck disable=SC2016 # for the other shell
    set -- "$login" -c '
        for file in "$0"/etc/profile.d/*.sh; do if [ -r "$file" ]; then . "$file"; fi; done
        exec "$@"' "$board_root" "$@"
    if [ "$(id -u)" = 0 ]; then
        "$@" </dev/null
    elif [ -n "$password" ]; then
        # printf belongs to the shell: the password is in no command line
        printf '%s\n' "$password" | sudo -S -p '' -- "$@"
    else
        sudo -n -- "$@" </dev/null
    fi
}

# How this user becomes root: login, sudo, password (which is wrong or not known), none.
way_to_root() {
    if [ "$(id -u)" = 0 ]; then
        echo login
    elif ! command -v sudo >/dev/null; then
        echo none
    elif sudo -n true 2>/dev/null; then
        echo sudo
    elif [ -n "$password" ] && printf '%s\n' "$password" | sudo -S -p '' true 2>/dev/null; then
        echo sudo
    else
        echo password
    fi
}
