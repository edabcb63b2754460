# shellcheck shell=sh
# Runs Python in a release as root, in the environment of a login: XRT is found only there.
# Arguments: folder, whether a password comes, name, seconds that it may take, then Python's.
root=$(folder "$1")
read_password "$2"
name=$3 seconds=$4
shift 4
cd "$root/releases/$name" 2>/dev/null || finish absent "$name"

# one at a time has the FPGA, also if the connection of another is lost while its driver runs
require_writable "$root/device.lock"
exec 7>>"$root/device.lock"
flock -w 30 7 || finish busy "$root/device.lock"
case $(way_to_root) in
none | password) finish root_needed ;;
esac
as_root timeout -k 10 "$seconds" python3 "$@"
code=$?
case $code in
0) finish ok ;;
124 | 137) finish too_slow "$seconds" ;;
*) finish failed "$code" ;;
esac
