# shellcheck shell=sh
# Receives a test set, named by its sha256, unless it is there already.
# Arguments: folder, sha256, bytes (0: only says whether it is there), seconds that it may take.
# Input: the file.
root=$(folder "$1")
digest=$2 bytes=$3 seconds=$4
file=$root/testsets/$digest.npz

matches() { [ "$(sha256sum "$1" 2>/dev/null | cut -d ' ' -f 1)" = "$digest" ]; }

if matches "$file"; then
    touch "$file"
    finish ok
fi
[ "$bytes" != 0 ] || finish absent
begin_incoming
require_space "$bytes"
timeout -k 5 "$seconds" cat >"$incoming/file" 2>"$incoming/errors"
code=$?
if [ $code = 124 ] || [ $code = 137 ]; then finish too_slow "$seconds"; fi
if [ $code != 0 ]; then finish no_space "it ran full meanwhile"; fi
matches "$incoming/file" || finish damaged "the test set is not as it was sent"
sync
mv -f "$incoming/file" "$file" || finish cannot_write "$root/testsets"
# a few, the latest used first
# shellcheck disable=SC2012 # the names are hexadecimal
ls -t "$root/testsets" | tail -n +5 | while read -r old; do rm -f "$root/testsets/$old"; done
finish ok
