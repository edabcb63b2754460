# shellcheck shell=sh
# Makes .venv: sourced by ./doit, in the root of the repository, when .venv is not `ready`.
#
# Every package is installed from the lock with its hash, and by itself (--no-deps: the lock is
# complete); a wheel of another content is refused, wherever it comes from. Two things have no hash:
# the project itself, and builds of torch that only PyTorch's own index has and torch-cpu.txt does not
# know: those are told.
#
# What pip is told about where packages come from (find-links, index-url) holds for uv too. Its extra
# indexes do not: uv would prefer them to the index that has the pinned versions.

uv_minor=8 # uv 0.8: the oldest tried that knows dependency groups and --torch-backend in `uv pip`
log=.doit-install.log # there until an installation is complete: then it moves into .venv

say() { printf './doit: %s\n' "$*" >&2; }

# Nothing has run when the launcher itself gives up: doit's own exit code for that is 3.
give_up() {
    say "$@"
    exit 3
}

# In the background, so that a signal is answered at once and not when the program has ended.
logged() {
    printf '+ %s\n' "$*" >>"$log"
    "$@" >>"$log" 2>&1 </dev/null &
    child=$!
    status=0
    wait "$child" || status=$?
    child=
    return "$status"
}

stop() {
    trap '' INT TERM HUP
    if [ -n "$child" ]; then
        kill "$child" 2>/dev/null || :
        wait "$child" 2>/dev/null || :
    fi
    say "interrupted; the next ./doit installs from the start"
    exit "$1"
}

lock() {
    for program in date grep ln mkdir mv rm sed sleep tail; do
        command -v "$program" >/dev/null || give_up "$program: no such program on PATH ($PATH)"
    done
    : >.doit-install.lock
    if command -v flock >/dev/null; then
        # Installers inherit the lock: one that outlives a killed launcher is waited for, too.
        exec 9>.doit-install.lock
        flock -n 9 || {
            say "another ./doit is installing; waiting for it"
            flock 9
        }
        return
    fi
    # No flock (macOS): a symbolic link holds the owner's pid, and is made in one step.
    until ln -s $$ .doit-install.pid 2>/dev/null; do
        owner=$(readlink .doit-install.pid) || continue
        if kill -0 "$owner" 2>/dev/null; then sleep 1; else rm -f .doit-install.pid; fi
    done
}

unlock() {
    if command -v flock >/dev/null; then exec 9>&-; else rm -f .doit-install.pid; fi
}

need_compiler() {
    if [ -n "${CXX:-}" ]; then
        # shellcheck disable=SC2086 # CXX may hold arguments, as in "ccache g++"
        if $CXX --version >/dev/null 2>&1 </dev/null; then return; fi
        problem="CXX=$CXX does not run"
    else
        for cxx in c++ g++ clang++; do
            if "$cxx" --version >/dev/null 2>&1 </dev/null; then return; fi
        done
        problem="no C++ compiler (looked for c++, g++, clang++)"
    fi
    give_up "$problem. The simulator that proves the RTL is compiled with it.
No package was installed. Any one of these helps:
  sudo apt install g++                  Debian, Ubuntu   (Fedora: sudo dnf install gcc-c++)
  xcode-select --install                macOS            (or: brew install gcc)
  CXX=/path/to/c++ ./doit ...           a compiler that is not on PATH"
}

# Sets python (in range; empty: none), has_venv (whether it can make environments by itself),
# any_python (can make an environment, whatever its version: enough to install uv), seen.
# Each is the interpreter below an active virtual environment, which may be the one to replace.
find_python() {
    python=
    has_venv=
    any_python=
    seen=
    if [ -n "${PIPELINE_PYTHON:-}" ]; then
        set -- "$PIPELINE_PYTHON"
    else
        set -- python3.11 python3.12 python3.13 python3 python
    fi
    for candidate in "$@"; do
        answer=$("$candidate" -c '
import sys
try:
    import ensurepip, venv
    kind = "venv"
except ImportError:
    kind = "bare"
fits = (3, 11) <= sys.version_info[:2] < (3, 14)
version = "%d.%d.%d" % sys.version_info[:3]
path = getattr(sys, "_base_executable", sys.executable)
sys.stdout.write(" ".join(["fits" if fits else "other", kind, version, path]))
' 2>/dev/null </dev/null) || continue
        path=/${answer#*/}
        version=${answer%% /*}
        version=${version##* }
        case $answer in
        "fits venv "*)
            python=$path has_venv=1 any_python=$path
            return
            ;;
        "fits bare "*)
            python=${python:-$path}
            version="$version without venv"
            ;;
        "other venv "*) any_python=${any_python:-$path} ;;
        esac
        seen="$seen${seen:+, }$candidate $version"
    done
}

refuse_python() {
    if [ -n "${started:-}" ]; then tail -n 5 "$log" | sed 's/^/  | /' >&2; fi
    give_up "$1 (found: ${seen:-no Python at all}).
No package was installed. Any one of these helps:
  sudo apt install python3.11 python3.11-venv     or 3.12, 3.13; Fedora: sudo dnf install python3.12,
                                                  macOS: brew install python@3.12
  PIPELINE_PYTHON=/path/to/python3.11 ./doit ...  a Python that is not on PATH
  install uv (brew install uv, pipx install uv)   and ./doit fetches a fitting Python with it"
}

usable_uv() {
    version=$("$1" --version 2>/dev/null </dev/null) || return 1
    version=${version#uv } # "uv 0.13.8 (platform)"
    major=${version%%.*}
    minor=${version#*.}
    minor=${minor%%.*}
    [ "$major" -gt 0 ] 2>/dev/null || [ "$minor" -ge "$uv_minor" ] 2>/dev/null
}

# Sets uv, empty where there is none.
find_uv() {
    for uv in uv .uv/bin/uv; do
        if usable_uv "$uv"; then return; fi
    done
    uv=
}

get_uv() {
    rm -rf .uv
    if logged "$any_python" -m venv .uv &&
        logged .uv/bin/python -m pip install --disable-pip-version-check --require-hashes \
            --only-binary :all: -r requirements/uv.txt; then
        uv=.uv/bin/uv
    else
        rm -rf .uv
    fi
}

# One setting of pip, from its environment variables or files.
pip_setting() {
    for section in :env: install global; do
        value=$(printf '%s\n' "$pip_settings" | sed -n "s/^$section\.$1='\(.*\)'\$/\1/p")
        if [ -n "$value" ]; then
            printf '%s\n' "$value" | sed 's/\\n/ /g' # pip shows a list by lines in one line
            return
        fi
    done
}

# Sets links (of pip and uv), and local_torch: whether a wheel of torch for processors is in one of
# them (there), may be (perhaps), or not (empty).
find_links() {
    local_torch=
    links=
    for link in $(pip_setting find-links) $(printf '%s' "${UV_FIND_LINKS:-}" | tr , ' '); do
        case $link in
        *://*) local_torch=${local_torch:-perhaps} ;;
        *)
            [ -e "$link" ] || continue # uv stops at a missing folder, pip does not
            for wheel in "$link"/torch-*+cpu-*.whl; do
                if [ -e "$wheel" ]; then local_torch=there; fi
            done
            ;;
        esac
        links="$links${links:+,}$link"
    done
    if [ "${PIPELINE_TORCH:-auto}" = index ]; then local_torch=; fi
}

# Gives uv what pip is told.
configure_uv() {
    if [ -n "$links" ]; then export UV_FIND_LINKS="$links"; fi
    index=$(pip_setting index-url)
    if [ -n "$index" ] && [ -z "${UV_INDEX_URL:-}" ]; then
        export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    fi
}

# The pinned packages but torch, then torch as the first argument's function installs it, then the
# project: with the program that the other arguments name (uv or pip).
install_with() {
    torch=$1
    shift
    # --only-binary: to build a package its file is run, with packages that no lock names
    logged "$@" --require-hashes --no-deps --only-binary :all: -r requirements/constraints.txt &&
        "$torch" "$@" &&
        logged "$@" --no-deps --no-build-isolation -e .
}

# torch as the package index has it, or as a wheel of a find-links place that torch-cpu.txt knows.
known_torch() {
    set -- "$@" --require-hashes --no-deps --only-binary :all:
    case $local_torch in
    there) logged "$@" -r requirements/torch-cpu.txt && return ;;
    perhaps) if logged "$@" -r requirements/torch-cpu.txt; then return; fi ;;
    esac
    [ "$local_torch" != there ] &&
        logged "$@" -r requirements/torch.txt && logged "$@" -r requirements/cuda.txt
}

# PyTorch's own build for `backend`. Where its hash is not known, the index itself vouches for it.
pytorch_torch() {
    tag=$(.venv/bin/python -c 'import platform, sys
print("cp%d%d" % sys.version_info[:2], platform.machine())' 2>/dev/null </dev/null) || tag=unknown
    if [ "$backend" = cpu ] && grep -qx "# known: $tag" requirements/torch-cpu.txt; then
        logged "$@" --torch-backend cpu --require-hashes --no-deps -r requirements/torch-cpu.txt
        return
    fi
    say "the hash of torch for $backend ($tag) is not known: it is taken as PyTorch's own index has it
  (PIPELINE_TORCH=index takes the package index's, which is checked; with CUDA: 3 GB)"
    pinned=$(sed -n 's/^\(torch==[0-9.]*\).*/\1/p' requirements/torch.txt)
    logged "$@" --torch-backend "$backend" "$pinned"
}

install_with_uv() {
    configure_uv
    rm -rf .venv
    logged "$uv" venv --python "${python:-3.11}" .venv || {
        if [ -z "$python" ]; then refuse_python "no Python 3.11 to 3.13, and uv could not fetch one"; fi
        return 1
    }
    set -- "$uv" pip install --python .venv/bin/python
    backend=${PIPELINE_TORCH:-auto}
    if [ "$backend" = auto ]; then
        if [ -n "$local_torch" ] || nvidia-smi >/dev/null 2>&1 </dev/null; then
            backend=index
        else
            backend=cpu
        fi
    fi
    if [ "$backend" = index ]; then
        install_with known_torch "$@"
    elif install_with pytorch_torch "$@"; then
        return 0
    elif [ "${PIPELINE_TORCH:-auto}" = auto ] && ! wrong_hash; then
        say "no success with PyTorch's own index: trying torch from the package index (with CUDA: 3 GB;
  PIPELINE_TORCH=index does so at once, and a torch wheel in a find-links folder of pip is taken)"
        install_with known_torch "$@"
    else
        return 1
    fi
}

install_with_pip() {
    rm -rf .venv
    logged "$python" -m venv .venv || return 1
    install_with known_torch .venv/bin/python -m pip install --disable-pip-version-check
}

install() {
    need_compiler
    find_python
    if [ -n "${PIPELINE_PYTHON:-}" ] && [ -z "$python" ]; then
        refuse_python "PIPELINE_PYTHON=$PIPELINE_PYTHON is not Python 3.11, 3.12 or 3.13"
    fi
    pip_settings=$("${any_python:-${python:-python3}}" -m pip config list 2>/dev/null </dev/null) || :
    find_links
    # Where no index may be asked, plain pip: its own rules then hold, and uv cannot read them all.
    uv=
    case ${PIPELINE_NO_UV:-}$(pip_setting no-index) in
    "" | 0 | [Ff]alse)
        find_uv
        can_get_uv=$any_python
        ;;
    *) can_get_uv= ;;
    esac
    if [ -z "$uv$can_get_uv$has_venv" ]; then
        refuse_python "no Python 3.11, 3.12 or 3.13 that can make a virtual environment"
    fi

    why="first use"
    if [ -e .venv/installed-from ]; then why="the pinned packages changed"; fi
    if [ -e "$log" ]; then why="the last installation was not completed"; fi
    : >"$log" # from here on, .venv is ours to replace
    rm -f .venv/installed-from
    started=$(date +%s)
    say "$why: installing $(grep -c == requirements/constraints.txt) packages into .venv, about a minute (log: $log)"

    if [ -z "$uv" ] && [ -n "$can_get_uv" ]; then get_uv; fi
    if [ -z "$uv$has_venv" ]; then
        refuse_python "no Python 3.11 to 3.13 that can make a virtual environment, no uv to fetch one"
    fi
    if [ -n "$uv" ] && install_with_uv; then
        :
    elif [ -n "$has_venv" ] && pip_can_choose_torch && ! wrong_hash; then
        if [ -n "$uv" ]; then say "no success with uv: trying plain pip"; fi
        install_with_pip || install_failed
    else
        install_failed
    fi
    pins >.venv/installed-from
    mv "$log" .venv/install.log
    say "installed in $(($(date +%s) - started)) s"
}

pip_can_choose_torch() {
    case ${PIPELINE_TORCH:-auto} in auto | index) ;; *) return 1 ;; esac
}

# In the words of uv, and of pip.
wrong_hash() { grep -qi -e "hash mismatch" -e "do not match the hashes" "$log"; }

install_failed() {
    tail -n 15 "$log" | sed 's/^/  | /' >&2
    if wrong_hash; then
        give_up "refused: a package is not the one that requirements/ names by its hash; see above.
It was changed, or is another build of the same version. Get it again from where it is published."
    fi
    if [ -z "$uv" ] && ! pip_can_choose_torch; then say "PIPELINE_TORCH=$PIPELINE_TORCH needs uv"; fi
    give_up "the packages could not be installed; above are the last lines of
  $PWD/$log
Is the package index reachable, or pip set up for another place
(pip config set global.find-links <wheel folder>, or global.index-url <mirror>)?
Is there room on the disk (2 GB; 8 GB with CUDA)? Then run ./doit again: it starts afresh."
}

child=
trap 'stop 130' INT
trap 'stop 143' TERM
trap 'stop 129' HUP
lock
if ready; then
    : # another ./doit was faster
elif [ -x .venv/bin/doit ] && [ ! -e .venv/installed-from ] && [ ! -e "$log" ]; then
    say "using a .venv made by hand, which is not compared with the lock; without it, one is made"
else
    install
fi
unlock
trap - INT TERM HUP
