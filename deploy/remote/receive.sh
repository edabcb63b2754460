# shellcheck shell=sh
# Receives a package as a release, which is there whole or not at all, and makes it the current one.
# Arguments: folder, name, how many releases to keep, bytes of all files, bytes of the checksums,
# seconds that it may take.
# Input: the checksums as sha256sum reads them, then the tar.
root=$(folder "$1")
name=$2 keep=$3 bytes=$4 sums=$5 seconds=$6

begin_incoming
require_space "$bytes"
tree=$incoming/tree
mkdir "$tree"
dd bs=1 count="$sums" of="$incoming/sums" 2>/dev/null
timeout -k 5 "$seconds" tar -xof - -C "$tree" 2>"$incoming/errors"
code=$?
if [ $code = 124 ] || [ $code = 137 ]; then finish too_slow "$seconds"; fi
if [ $code != 0 ]; then
    if grep -q 'No space left' "$incoming/errors"; then finish no_space "it ran full meanwhile"; fi
    finish damaged "$(head -n 1 "$incoming/errors")"
fi
mv "$incoming/sums" "$tree/.sums"
intact "$tree" || finish damaged "a file is not as it was sent"
sync

lock
if [ -e "$root/releases/$name" ]; then
    # damaged, or it would not have been sent again
    mv -T "$root/releases/$name" "$incoming/old" || finish cannot_write "$root/releases/$name"
fi
mv -T "$tree" "$root/releases/$name" || finish cannot_write "$root/releases"
activate "$name" "$keep"
finish ok
