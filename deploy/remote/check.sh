# shellcheck shell=sh
# Tells what a board is and has, one fact a line; it changes nothing.
# Arguments: folder, whether a password comes, bytes of the probe, which is a Python program.
root=$(folder "$1")
read_password "$2"
probe_bytes=$3
fact() { printf '@fact %s %s\n' "$1" "$2"; }

fact user "$(id -un 2>/dev/null || id -u)"
fact time "$(date +%s)"
fact machine "$(uname -m)"
for program in tar timeout sha256sum flock python3; do
    command -v "$program" >/dev/null || fact missing "$program"
done
way=$(way_to_root)
fact root "$way"
model=$board_root/proc/device-tree/compatible
if [ -r "$model" ]; then fact compatible "$(tr '\000' ' ' <"$model")"; fi
place=$root
while [ ! -d "$place" ]; do place=$(dirname "$place"); done
fact disk_kib "$(df -Pk "$place" | awk 'NR == 2 { print $4 }')"
if [ -w "$place" ]; then fact writable yes; else fact writable "no $place"; fi
fact current "$(current)"
probe=$(dd bs=1 count="$probe_bytes" 2>/dev/null)
case $way in
login | sudo) as_root timeout -k 5 120 python3 -c "$probe" 2>&1 || fact probe_failed "$?" ;;
esac
finish ok
